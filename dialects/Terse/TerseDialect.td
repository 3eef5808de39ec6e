//===- TerseDialect.td - the terse dialect -------------------------------===//
#ifndef TERSE_DIALECT_TD
#define TERSE_DIALECT_TD

include "mlir/IR/OpBase.td"

def TerseDialect : Dialect {
  let name = "terse";
  let cppNamespace = "::terse";
  let summary = "models as compression sees them";
  let description = [{
    Holds what compression must see as a unit (linear layers, their producers,
    the norms that absorb scales, attention and its cache) and how values are
    represented (schemes, scales). Everything else of a model is in upstream
    dialects. RATIONALE.md beside this file says why.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
  let extraClassDeclaration = [{
    /// Names of attributes on the arguments and results of the entry function.
    static constexpr llvm::StringLiteral kNameAttr = "terse.name";
    static constexpr llvm::StringLiteral kDimsAttr = "terse.dims";
    static constexpr llvm::StringLiteral kStateAttr = "terse.state";
    static constexpr llvm::StringLiteral kSymbolAttr = "terse.symbol";
    /// On such an argument: the symbol whose value it has unless the caller gives one.
    static constexpr llvm::StringLiteral kDefaultSymbolAttr = "terse.default_symbol";
    /// The symbol that is the number of tokens, the last ones, that have logits.
    static constexpr llvm::StringLiteral kLogitsToKeep = "logits_to_keep";
    /// On the entry function: what must hold of the symbols of `terse.dims`
    /// beside these, as strings "past + sequence <= 64" or "2*n == m". Checked
    /// before the function is called.
    static constexpr llvm::StringLiteral kConstraintsAttr = "terse.constraints";
    /// Name of the entry function.
    static constexpr llvm::StringLiteral kEntryName = "forward";

    /// The files that `#terse.file` attributes of this context refer to.
    ::terse::WeightStore &getWeightStore() { return *weightStore; }
    /// What passes recorded about their work.
    ::terse::Report &getReport() { return *report; }
  private:
    void registerAttributes();
    std::shared_ptr<::terse::WeightStore> weightStore;
    std::shared_ptr<::terse::Report> report;
  }];
}

class TerseOp<string mnemonic, list<Trait> traits = []>
    : Op<TerseDialect, mnemonic, traits>;

#endif
