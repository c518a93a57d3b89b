// A stand-in for NVRTC: the host's compiler makes a library of a kernel's source, which the stand-in driver loads in the
// place of a cubin. STAND_IN says what goes wrong: compile=6, architectures=80 for the newest that it knows. SANITIZE adds
// options to the compiler's.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "setting.h"

#define API extern "C" __attribute__((visibility("default"))) int

struct Program {
    std::string source, name, log;
    std::vector<char> code;
};

API nvrtcVersion(int *major, int *minor) {
    *major = 13;
    // No true one: what is kept on disk is not mixed up.
    *minor = MINOR;
    return 0;
}
API nvrtcGetNumSupportedArchs(int *n) {
    *n = 3;
    return 0;
}
API nvrtcGetSupportedArchs(int *all) {
    all[0] = 75;
    all[1] = 80;
    all[2] = (int)setting("architectures", 90);
    return 0;
}
API nvrtcCreateProgram(void **p, const char *source, const char *name, int, const char *const *, const char *const *) {
    std::string file = name;
    *p = new Program{source, file.substr(0, file.find('.')), "", {}};
    return 0;
}
API nvrtcDestroyProgram(void **p) {
    delete (Program *)*p;
    *p = nullptr;
    return 0;
}
API nvrtcCompileProgram(void *p, int, const char *const *) {
    Program *own = (Program *)p;
    if (long error = setting("compile", 0)) {
        own->log = "stand-in: no";
        return (int)error;
    }
    char folder[] = "/tmp/jook-stand-in-XXXXXX";
    if (!mkdtemp(folder)) return 11;
    std::string at = folder, text = at + "/kernel.cpp", library = at + "/kernel.so", said = at + "/said";
    std::ofstream out(text);
    out << "#include \"" DEVICE_H "\"\n#line 1 \"" << own->name << ".cu\"\n" << own->source << "\n";
    out << "extern \"C\" const size_t stand_in_arguments_" << own->name << " = sizeof(Segment);\n";
    out << "extern \"C\" void stand_in_run_" << own->name << "(unsigned grid, unsigned threads, size_t shared, const void *a) {\n";
    out << "    launch(grid, threads, shared, " << own->name << ", *(const Segment *)a);\n}\n";
    out.close();
    const char *more = getenv("SANITIZE");
    std::string command = std::string("g++ -std=c++20 -O2 -fPIC -shared -ffp-contract=off -mfma -w ") + (more ? more : "") + " -o " +
                          library + " " + text + " >" + said + " 2>&1";
    int failed = system(command.c_str());
    std::ifstream log(said);
    own->log.assign(std::istreambuf_iterator<char>(log), {});
    std::ifstream code(library, std::ios::binary);
    own->code.assign(std::istreambuf_iterator<char>(code), {});
    system(("rm -r " + at).c_str());
    return failed ? 6 : 0;
}
API nvrtcGetProgramLogSize(void *p, size_t *n) {
    *n = ((Program *)p)->log.size() + 1;
    return 0;
}
API nvrtcGetProgramLog(void *p, char *to) {
    strcpy(to, ((Program *)p)->log.c_str());
    return 0;
}
API nvrtcGetCUBINSize(void *p, size_t *n) {
    *n = ((Program *)p)->code.size();
    return 0;
}
API nvrtcGetCUBIN(void *p, char *to) {
    Program *own = (Program *)p;
    memcpy(to, own->code.data(), own->code.size());
    return 0;
}
API nvrtcGetPTXSize(void *, size_t *n) {
    *n = 1;
    return 0;
}
API nvrtcGetPTX(void *, char *to) {
    *to = 0;
    return 0;
}
API nvrtcGetErrorString(int) { return 0; }
