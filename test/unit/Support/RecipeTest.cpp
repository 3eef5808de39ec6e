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
  EXPECT_NE(pipeline("w4:activations=int4").find("expected activations=int8"),
            std::string::npos);
}

} // namespace
