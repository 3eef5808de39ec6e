//===- CPULevelTest.cpp ---------------------------------------------------===//
#include "terse/Support/CPULevel.h"

#include <gtest/gtest.h>

using namespace terse;

namespace {

std::vector<std::string> select(llvm::ArrayRef<std::string> asked,
                                llvm::StringRef weights) {
  std::vector<std::string> names;
  for (const CPULevel *level : selectCPULevels(
           asked, [&](llvm::StringRef element) { return element == weights; }))
    names.push_back(level->name.str());
  return names;
}

TEST(CPULevel, CodeIsMadeWhereItDiffers) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(select({}, "f16"), (Names{"baseline", "avx2", "avx512vnni"}));
  EXPECT_EQ(select({}, "bf16"),
            (Names{"baseline", "avx2", "avx512vnni", "avx512bf16"}));
  Names asked = {"avx512bf16", "avx2"};
  EXPECT_EQ(select(asked, "f16"), (Names{"avx2", "avx512bf16"}));
}

TEST(CPULevel, KernelsOfTheLevelBefore) {
  const CPULevel *level = findCPULevel("avx512bf16");
  ASSERT_TRUE(level);
  EXPECT_EQ(getKernelLevel(*level, "bf16").name, "avx512bf16");
  EXPECT_EQ(getKernelLevel(*level, "w4").name, "avx512vnni");
  level = findCPULevel("avx2");
  ASSERT_TRUE(level);
  EXPECT_EQ(getKernelLevel(*level, "w4").name, "avx2");
}

// As the runtime's: test/unit/Runtime/ValuesTest.cpp.
TEST(CPULevel, Names) {
  EXPECT_EQ(listCPULevels(), "baseline, avx2, avx512vnni or avx512bf16");
  EXPECT_FALSE(findCPULevel("avx512"));
}

} // namespace
