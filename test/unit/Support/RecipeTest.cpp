//===- RecipeTest.cpp -----------------------------------------------------===//
#include "terse/Pipeline/Recipe.h"

#include <gtest/gtest.h>

using namespace terse;

namespace {

std::string pipeline(llvm::StringRef text) {
  llvm::Expected<Recipe> recipe = parseRecipe(text);
  return recipe ? recipe->pipeline
                : "error: " + llvm::toString(recipe.takeError());
}

TEST(Recipe, Pipelines) {
  EXPECT_EQ(pipeline("f16"), "terse-convert-weights{to=f16}");
  EXPECT_EQ(pipeline("w4"), "terse-quantize-weights{bits=4 group-size=32 "
                            "head-bits=4 embedding-bits=8},"
                            "terse-quantize-activations");
  EXPECT_EQ(pipeline("w3:group-size=128,embedding-bits=0,activations=float"),
            "terse-quantize-weights{bits=3 group-size=128 embedding-bits=0}");
  EXPECT_EQ(pipeline("w4:method=awq,group-size=64,exclude=down"),
            "terse-awq-scale{bits=4 group-size=64 exclude=down},"
            "terse-quantize-weights{bits=4 group-size=64 exclude=down "
            "head-bits=4 embedding-bits=8 method=rtn},"
            "terse-quantize-activations,terse-fold-scales");
  EXPECT_EQ(pipeline("w3:method=hqq,activations=float"),
            "terse-quantize-weights{bits=3 group-size=64 embedding-bits=8 "
            "method=hqq}");
  EXPECT_EQ(pipeline("w4:format=nf4,scale=i8,embedding-bits=0"),
            "terse-quantize-weights{bits=4 group-size=64 scale=i8 format=nf4 "
            "head-bits=4 embedding-bits=0},terse-quantize-activations");
  EXPECT_EQ(makeUniformRecipe("w4:format=nf4,scale=i8", 8, 32, true),
            "w8:group-size=32,scale=i8");
  EXPECT_EQ(makeUniformRecipe("w4:format=nf4,scale=i8", 4, 64, true),
            "w4:group-size=64,format=nf4,scale=i8");
  EXPECT_EQ(makeUniformRecipe("auto:method=gptq,prune=2:4,scale=i8", 3, 64, true),
            "w3:group-size=64,scale=i8");
  EXPECT_EQ(makeUniformRecipe("auto:method=gptq,prune=2:4,scale=i8", 3, 64, false),
            "w3:group-size=64,method=gptq,prune=2:4,scale=i8");
  EXPECT_EQ(llvm::toString(parseRecipe("w3:format=nf4").takeError()),
            "expected the recipe w4 or auto with 'format=nf4'; got 'w3'");
  EXPECT_EQ(pipeline("w8:smooth=auto,activations=static"),
            "terse-smooth-outliers{alpha=auto},"
            "terse-quantize-weights{bits=8 group-size=32 embedding-bits=8},"
            "terse-quantize-activations{mode=static},terse-fold-scales");
  EXPECT_EQ(pipeline("w4:prune=2:4,method=gptq"),
            "terse-prune-sparsegpt{pattern=2:4},"
            "terse-quantize-weights{bits=4 group-size=32 head-bits=4 "
            "embedding-bits=8 method=gptq},terse-quantize-activations");
  EXPECT_EQ(pipeline("w2:prune=50%,embedding-bits=0"),
            "terse-prune-sparsegpt{sparsity=0.500000},"
            "terse-quantize-weights{bits=2 group-size=32 embedding-bits=0},"
            "terse-quantize-activations");
  EXPECT_EQ(llvm::toString(parseRecipe("w4:prune=half").takeError()),
            "expected N:M, a share of less than 1, structured:SHARE, blocks:SHARE, sublayers:SHARE, or several of them with + between for the "
            "key 'prune' of the recipe 'w4'; got 'half'");
  EXPECT_EQ(pipeline("w8:prune=structured:25%,exclude=up"),
            "terse-prune-structured{share=25% exclude=up},"
            "terse-quantize-weights{bits=8 group-size=32 exclude=up "
            "embedding-bits=8},terse-quantize-activations");
}

TEST(Recipe, PrunedInSeveralWays) {
  Recipe recipe = llvm::cantFail(parseRecipe("w4:prune=blocks:25%+sublayers:10%+2:4,rotate=hadamard,exclude=head"));
  EXPECT_EQ(recipe.prepare, "terse-prune-blocks{share=25% exclude=head},terse-prune-blocks{unit=sublayer share=10% exclude=head},"
                            "terse-rotate-hadamard");
  EXPECT_TRUE(llvm::StringRef(recipe.pipeline).starts_with("terse-prune-sparsegpt{pattern=2:4 exclude=head},terse-quantize-weights{"));
  EXPECT_TRUE(recipe.needsStatistics);
}

TEST(Recipe, Outliers) {
  EXPECT_EQ(pipeline("w3:smooth=0.5,outliers=1%,outlier-bits=8,exclude=up"),
            "terse-smooth-outliers{alpha=0.5 exclude=up},terse-split-outliers{share=1% bits=8 exclude=up},"
            "terse-quantize-weights{bits=3 group-size=64 exclude=up embedding-bits=8},terse-quantize-activations,terse-fold-scales");
  EXPECT_TRUE(llvm::cantFail(parseRecipe("w4:outliers=1%")).needsStatistics);
}

/// Policies may ask for zeros where a recipe does not prune.
TEST(Recipe, ZerosByPolicy) {
  EXPECT_TRUE(askForZeros("^(a)$=bits:4,pattern:2:4;b=bits:3"));
  EXPECT_TRUE(askForZeros("a=keep;b=sparsity:0.5"));
  EXPECT_FALSE(askForZeros("pattern:2:4=bits:4"));
  EXPECT_FALSE(askForZeros(""));
  auto pipeline = [](llvm::StringRef recipe) {
    return llvm::cantFail(parseRecipe(recipe, "terse-prune-magnitude{sparsity=0}")).pipeline;
  };
  EXPECT_EQ(pipeline("w8:embedding-bits=0"), "terse-prune-magnitude{sparsity=0},"
                                             "terse-quantize-weights{bits=8 group-size=32 embedding-bits=0},terse-quantize-activations");
  EXPECT_TRUE(llvm::StringRef(pipeline("w8:prune=structured:25%"))
                  .starts_with("terse-prune-structured{share=25%},terse-prune-magnitude{sparsity=0},terse-quantize-weights"));
  EXPECT_EQ(pipeline("w8:prune=2:4").find("magnitude"), std::string::npos);
}

TEST(Recipe, KvCache) {
  EXPECT_TRUE(llvm::StringRef(pipeline("w4:kv-cache=8")).ends_with(",terse-quantize-kv-cache{bits=8}"));
  EXPECT_TRUE(llvm::StringRef(pipeline("w4:kv-cache=k8v4")).ends_with(",terse-quantize-kv-cache{key-bits=8 value-bits=4}"));
  EXPECT_NE(pipeline("w4:kv-cache=k4").find("expected 8, 4 or kNvM"), std::string::npos);
}

TEST(Recipe, WholeModelFirst) {
  Recipe recipe = llvm::cantFail(parseRecipe("w4:rotate=hadamard"));
  EXPECT_EQ(recipe.prepare, "terse-rotate-hadamard");
  EXPECT_EQ(recipe.pipeline, pipeline("w4"));
  EXPECT_FALSE(recipe.needsStatistics);
  for (llvm::StringRef text : {"w4", "w4:rotate=none"})
    EXPECT_EQ(llvm::cantFail(parseRecipe(text)).prepare, "");
  EXPECT_NE(pipeline("w4:rotate=90").find("expected hadamard or none"),
            std::string::npos);
}

TEST(Recipe, Statistics) {
  for (llvm::StringRef text :
       {"w4", "f16", "w8:activations=float", "w3:method=hqq"})
    EXPECT_FALSE(llvm::cantFail(parseRecipe(text)).needsStatistics);
  for (llvm::StringRef text :
       {"w4:method=gptq", "w4:method=awq", "w8:smooth=0.5", "w4:prune=0.5",
        "w4:prune=structured:25%",
        "w8:activations=static"})
    EXPECT_TRUE(llvm::cantFail(parseRecipe(text)).needsStatistics);
}

TEST(Recipe, Errors) {
  EXPECT_NE(pipeline("w5").find("unknown recipe 'w5'"), std::string::npos);
  EXPECT_NE(pipeline("w4:goup-size=3").find("did you mean 'group-size'?"),
            std::string::npos);
  EXPECT_NE(
      pipeline("w4:group-size=3}").find("expected a value without blanks"),
      std::string::npos);
  EXPECT_NE(pipeline("w4:group-size").find("expected a value"),
            std::string::npos);
  EXPECT_NE(pipeline("w4:activations=int4").find("expected int8, static or float"),
            std::string::npos);
}

TEST(Recipe, GivenTwice) {
  EXPECT_NE(pipeline("w4:scale=f16,scale=f32").find("is given twice"),
            std::string::npos);
}

} // namespace
