// What STAND_IN says of a name, as in STAND_IN=init=100,devices=0.
#pragma once
#include <cstdlib>
#include <cstring>
#include <string>

static long setting(const char *name, long otherwise) {
    const char *all = getenv("STAND_IN");
    std::string wanted = std::string(name) + "=";
    for (const char *at = all; at && *at; at = strchr(at, ','), at = at ? at + 1 : at)
        if (!strncmp(at, wanted.c_str(), wanted.size())) return atol(at + wanted.size());
    return otherwise;
}
