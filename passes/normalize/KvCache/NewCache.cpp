//===- NewCache.cpp - a cache for a graph that has none -------------------===//
#include "KvCache.h"

using namespace mlir;
using namespace terse;

FailureOr<int64_t> terse::addCache(func::FuncOp function, std::string &reason) {
  reason = "the file has none";
  return failure();
}
