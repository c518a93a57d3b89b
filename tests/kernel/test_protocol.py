"""Jupyter's own conformance tests."""

import jupyter_kernel_test
import pytest

from client import shown


class JookProtocol(jupyter_kernel_test.KernelTests):
    kernel_name = "jook"
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("oh");'
    completion_samples = [{"text": "let mut s = String::new(); s.push_s"}]
    complete_code_samples = ["let a = 1;", "fn f() -> u32 { 1 }", "1 + 1"]
    incomplete_code_samples = ["fn f() {", "let a = (1,", "/* a comment"]
    invalid_code_samples = ["let a = )(", "fn f() { ] }"]
    code_page_something = "?String"
    code_generate_error = 'panic!("boom");'
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "1 + 1", "result": "2"},
        {"code": "6 * 7", "result": "42"},
    ]
    code_display_data = [{"code": shown("display", data={"text/html": "<b>b</b>"}), "mime": "text/html"}]
    code_history_pattern = "6 ? 7"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "String"
    code_clear_output = shown("clear", wait=False)

    @pytest.fixture(autouse=True)
    def use_the_shared_kernel(self, kernel):
        type(self).km, type(self).kc = kernel.manager, kernel.kc

    @classmethod
    def setUpClass(cls):
        """The suite would start a kernel of its own, and waits no more than 15 seconds for its first cell."""

    @classmethod
    def tearDownClass(cls):
        """The shared kernel goes on."""


class JookWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "jook"
    support_iopub_welcome = True


def test_the_suite_skips_nothing():
    """Every switch of the suite is set, so that a newer suite's new test is seen here first."""
    for suite, ours in (
        (jupyter_kernel_test.KernelTests, JookProtocol),
        (jupyter_kernel_test.IopubWelcomeTests, JookWelcome),
    ):
        switches = [name for name, value in vars(suite).items() if not (name.startswith("_") or value)]
        assert switches and all(getattr(ours, name) for name in switches), switches
