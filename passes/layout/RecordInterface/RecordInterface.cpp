//===- RecordInterface.cpp - the entry function's interface ---------------===//
#include "Terse/TerseDialect.h"
#include "terse/Analysis/ModelInputs.h"
#include "terse/Passes.h"
#include "terse/Support/DimExpr.h"

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringExtras.h"

namespace terse {
#define GEN_PASS_DEF_RECORDINTERFACE
#include "layout/RecordInterface/RecordInterface.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
/// The name under which a past input and the present output that continues it
/// agree: "past_key_values.0.key" and "present.0.key" are ".0.key".
std::string getCacheKey(StringRef name) {
  if (!name.consume_front("past_key_values") &&
      !name.consume_front("present_key_values") &&
      !name.consume_front("past") && !name.consume_front("present"))
    return "";
  return name.str();
}

struct RecordInterface : terse::impl::RecordInterfaceBase<RecordInterface> {
  using RecordInterfaceBase::RecordInterfaceBase;

  void runOnOperation() override {
    auto entry =
        getOperation().lookupSymbol<func::FuncOp>(TerseDialect::kEntryName);
    if (!entry || entry.isExternal()) {
      getOperation().emitError("expected a function @forward");
      return signalPassFailure();
    }
    Builder b(&getContext());
    SmallVector<Attribute> inputs, outputs, states, counted, counts;
    for (BlockArgument arg : entry.getArguments()) {
      DictionaryAttr attrs = entry.getArgAttrDict(arg.getArgNumber());
      if (auto symbol = getString(attrs, TerseDialect::kSymbolAttr)) {
        given.push_back(symbol);
        if (symbol.getValue() == TerseDialect::kLogitsToKeep)
          tokens = getString(attrs, TerseDialect::kDefaultSymbolAttr);
        continue;
      }
      bool isState = attrs && attrs.contains(TerseDialect::kStateAttr);
      Attribute value = describe(entry, arg.getType(), attrs, isState,
                                 "argument " + Twine(arg.getArgNumber()));
      if (!value)
        return signalPassFailure();
      (isState ? states : inputs).push_back(value);
    }
    for (auto [i, type] : llvm::enumerate(entry.getResultTypes())) {
      DictionaryAttr attrs = entry.getResultAttrDict(i);
      // An updated state is not an output: it is in its place already.
      if (attrs && attrs.contains(TerseDialect::kStateAttr))
        continue;
      if (StringAttr output = getString(attrs, "terse.count")) {
        counts.push_back(output);
        continue;
      }
      Attribute value =
          describe(entry, type, attrs, /*isState=*/false, "result " + Twine(i));
      if (!value)
        return signalPassFailure();
      if (attrs.contains("terse.counted"))
        counted.push_back(attrs.get(TerseDialect::kNameAttr));
      if (!counts.empty()) {
        entry.emitError("expected numbers of elements after all outputs; got "
                        "output ")
            << i;
        return signalPassFailure();
      }
      outputs.push_back(value);
    }
    if (counts != counted) {
      entry.emitError("expected a result of 'terse.count' for each one of "
                      "'terse.counted', in order");
      return signalPassFailure();
    }
    // Symbols of states come after those of inputs whatever the order of
    // arguments.
    symbols.clear();
    for (ArrayRef<Attribute> list :
         {ArrayRef<Attribute>(inputs), ArrayRef<Attribute>(states)})
      for (Attribute value : list)
        addSymbols(value);
    for (StringAttr symbol : given)
      addSymbol(symbol.getValue());
    size_t known = symbols.size();
    for (Attribute value : outputs)
      addSymbols(value);
    if (symbols.size() != known) {
      entry.emitError("expected the dimensions of results to be given by the "
                      "arguments; got the new symbol '")
          << symbols[known].getValue() << "'";
      return signalPassFailure();
    }
    ArrayAttr constraints =
        entry->getAttrOfType<ArrayAttr>(TerseDialect::kConstraintsAttr);
    if (constraints && failed(checkConstraints(entry, constraints)))
      return signalPassFailure();
    setRoles(inputs, outputs);

    NamedAttrList interface;
    interface.set("inputs", b.getArrayAttr(inputs));
    interface.set("outputs", b.getArrayAttr(outputs));
    interface.set("states", b.getArrayAttr(states));
    interface.set("symbols", b.getArrayAttr(SmallVector<Attribute>(
                                 symbols.begin(), symbols.end())));
    if (constraints)
      interface.set("constraints", constraints);
    if (couplesTokens())
      interface.set("coupled_tokens", b.getBoolAttr(true));
    if (tokens)
      interface.set("logits_to_keep", tokens);
    if (!states.empty()) {
      StringAttr past = b.getStringAttr("past");
      if (llvm::is_contained(given, past))
        interface.set("past", past);
      if (StringAttr capacity = getCapacity(states, inputs))
        interface.set("capacity", capacity);
    }
    getOperation()->setAttr("terse.interface",
                            interface.getDictionary(&getContext()));
  }

private:
  /// Whether the range of a whole tensor is rounded by: of all tokens of a run.
  bool couplesTokens() {
    return getOperation()
        .walk([](Operation *op) {
          auto dynamic = dyn_cast<QuantizeDynamicOp>(op);
          bool couples =
              isa<QuantizeTensorOp>(op) ||
              (dynamic && dynamic.getPerTensor()) ||
              llvm::any_of(op->getAttrs(), [](NamedAttribute named) {
                auto grid = dyn_cast<GridAttr>(named.getValue());
                return grid && grid.getKind() == GridKind::Tensor;
              });
          return couples ? WalkResult::interrupt() : WalkResult::advance();
        })
        .wasInterrupted();
  }

  static StringAttr getString(DictionaryAttr attrs, StringRef name) {
    return attrs ? attrs.getAs<StringAttr>(name) : StringAttr();
  }

  void addSymbol(StringRef name) {
    StringAttr attr = StringAttr::get(&getContext(), name);
    if (!llvm::is_contained(symbols, attr))
      symbols.push_back(attr);
  }

  void addSymbols(Attribute value) {
    for (Attribute dim :
         cast<ArrayAttr>(cast<DictionaryAttr>(value).get("shape")))
      DimExpr::parse(cast<StringAttr>(dim).getValue())
          ->forEachSymbol([&](StringRef name) { addSymbol(name); });
  }

  LogicalResult checkConstraints(func::FuncOp entry, ArrayAttr constraints) {
    for (Attribute attr : constraints) {
      auto text = dyn_cast<StringAttr>(attr);
      std::optional<DimConstraint> constraint =
          text ? DimConstraint::parse(text.getValue()) : std::nullopt;
      bool known = constraint.has_value();
      auto check = [&](StringRef name) {
        known &= llvm::is_contained(symbols, StringAttr::get(&getContext(), name));
      };
      if (constraint) {
        constraint->lhs.forEachSymbol(check);
        constraint->rhs.forEachSymbol(check);
      }
      if (!known)
        return entry.emitError("expected each of '")
               << TerseDialect::kConstraintsAttr
               << "' to compare expressions of the arguments' dimensions by <= "
                  "or ==; got "
               << attr;
    }
    return success();
  }

  /// {name, dtype, shape} of an argument or result; null with a diagnostic.
  Attribute describe(func::FuncOp entry, Type type, DictionaryAttr attrs,
                     bool isState, const Twine &what) {
    StringAttr name = getString(attrs, isState ? TerseDialect::kStateAttr
                                               : TerseDialect::kNameAttr);
    auto dims =
        attrs ? attrs.getAs<ArrayAttr>(TerseDialect::kDimsAttr) : ArrayAttr();
    auto shaped = dyn_cast<ShapedType>(type);
    if (!name || !dims || !shaped || !shaped.hasRank() ||
        dims.size() != size_t(shaped.getRank())) {
      entry.emitError("expected '")
          << TerseDialect::kNameAttr << "' and one '" << TerseDialect::kDimsAttr
          << "' for each dimension of " << what;
      return {};
    }
    std::string dtype =
        getDTypeName(shaped.getElementType(), attrs.contains("terse.unsigned"));
    if (dtype.empty()) {
      entry.emitError("expected an element type that the manifest has for ")
          << what << "; got " << type;
      return {};
    }
    for (auto [dim, size] : llvm::zip(dims, shaped.getShape())) {
      auto text = dyn_cast<StringAttr>(dim);
      std::optional<DimExpr> expr =
          text ? DimExpr::parse(text.getValue()) : std::nullopt;
      bool isStatic = expr && expr->getKind() == DimExpr::Kind::Constant;
      if (!expr || (isStatic && expr->getConstant() != size &&
                    !ShapedType::isDynamic(size))) {
        entry.emitError("expected dimensions that fit the type of ")
            << what << "; got " << dim << " for " << type;
        return {};
      }
    }
    Builder b(&getContext());
    NamedAttrList described(
        {b.getNamedAttr("name", name),
         b.getNamedAttr("dtype", b.getStringAttr(dtype)),
         b.getNamedAttr("shape", dims)});
    if (StringAttr value = getString(attrs, "terse.default")) {
      int64_t bytes = shaped.hasStaticShape()
                          ? shaped.getNumElements() * ((shaped.getElementTypeBitWidth() + 7) / 8)
                          : -1;
      if (int64_t(value.size()) != 2 * bytes ||
          !llvm::all_of(value.getValue(), llvm::isHexDigit)) {
        entry.emitError("expected the bytes of a default in hexadecimal for ")
            << what << ", which is of static shape; got " << value;
        return {};
      }
      described.set("default", value);
    }
    if (auto axis = attrs.getAs<IntegerAttr>("terse.counted")) {
      if (axis.getInt() < 0 || axis.getInt() >= shaped.getRank()) {
        entry.emitError("expected 'terse.counted' to be a dimension of ") << what;
        return {};
      }
      described.set("counted", axis);
    }
    return described.getDictionary(&getContext());
  }

  /// The symbol that is a dimension of a state and of no input.
  StringAttr getCapacity(ArrayRef<Attribute> states,
                         ArrayRef<Attribute> inputs) {
    auto isDim = [](ArrayRef<Attribute> values, StringAttr symbol) {
      return llvm::any_of(values, [&](Attribute value) {
        return llvm::is_contained(
            cast<ArrayAttr>(cast<DictionaryAttr>(value).get("shape"))
                .getValue(),
            symbol);
      });
    };
    for (StringAttr symbol : symbols)
      if (isDim(states, symbol) && !isDim(inputs, symbol))
        return symbol;
    return {};
  }

  void setRole(Attribute &value, StringRef role) {
    NamedAttrList attrs(cast<DictionaryAttr>(value));
    attrs.set("role", StringAttr::get(&getContext(), role));
    value = attrs.getDictionary(&getContext());
  }

  /// Roles by which the runtime generates text; by the names that all exporters
  /// use.
  void setRoles(MutableArrayRef<Attribute> inputs,
                MutableArrayRef<Attribute> outputs) {
    auto nameOf = [](Attribute value) {
      return cast<StringAttr>(cast<DictionaryAttr>(value).get("name"))
          .getValue();
    };
    SmallVector<std::string> pasts, presents;
    SmallVector<Attribute *> cache;
    for (Attribute &input : inputs) {
      StringRef name = nameOf(input);
      if (name == "input_ids" || name == "attention_mask" ||
          name == "position_ids") {
        setRole(input, name);
      } else if (std::string key = getCacheKey(name); !key.empty()) {
        pasts.push_back(key);
        cache.push_back(&input);
      }
    }
    size_t numPasts = cache.size();
    for (Attribute &output : outputs) {
      StringRef name = nameOf(output);
      if (name == "logits") {
        setRole(output, name);
      } else if (std::string key = getCacheKey(name); !key.empty()) {
        presents.push_back(key);
        cache.push_back(&output);
      }
    }
    if (pasts != presents)
      return;
    for (auto [i, value] : llvm::enumerate(cache))
      setRole(*value, i < numPasts ? "past" : "present");
  }

  /// Symbols that are arguments of their own.
  SmallVector<StringAttr> given;
  /// The symbol that is the number of tokens, where there may be logits of fewer.
  StringAttr tokens;
  SmallVector<StringAttr> symbols;
};
} // namespace
