//===- main.cpp - terse-run -------------------------------------*- C++ -*-===//
#include "Run.h"

int main(int argc, char **argv) { return terse::run::runMain(argc, argv); }
