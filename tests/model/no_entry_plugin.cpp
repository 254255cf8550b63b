// A shared library that is no plug-in.
extern "C" int weft_backend_of_something_else() { return 0; }
