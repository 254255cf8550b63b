// The smallest program over ExecuTorch: nothing of torch in it.
#include "apps/run_one.h"
#include "weft/executorch.h"

int main(int argc, char** argv) { return weft::apps::run_one(argc, argv, weft::executorch_backend()); }
