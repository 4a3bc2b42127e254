#include "cli/settings.h"

int main(int argc, char** argv) { return holdfast::cli::run(argc, argv); }
