// The smallest program over AOTInductor: nothing of ExecuTorch in it.
#include "apps/run_one.h"
#include "weft/aoti.h"

int main(int argc, char** argv) { return weft::apps::run_one(argc, argv, weft::aoti_backend()); }
