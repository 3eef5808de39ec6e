//===- RotateHadamard.cpp - spreads outliers over all channels --------------===//
#include "RotateWeights.h"
#include "Streams.h"

#include "Terse/LayerAttributes.h"
#include "compress/Weights/FloatStorage.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/FormatVariadic.h"

namespace terse {
#define GEN_PASS_DEF_ROTATEHADAMARD
#include "compress/RotateHadamard/RotateHadamard.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// A product of each channel with the factor is worth it at run time up to here.
static constexpr int64_t kLargestOnlineFactor = 512;

static Value mapValue(OpOperand &operand, ArrayRef<ChannelMap> maps) {
  Operation *user = operand.getOwner();
  FailureOr<WeightOp> weight = mapWeight(operand.get(), {}, maps, user);
  if (failed(weight))
    return {};
  OpBuilder builder(user);
  return castElements(builder, *weight, getElementTypeOrSelf(operand.get()));
}

namespace {
struct RotateHadamard : terse::impl::RotateHadamardBase<RotateHadamard> {
  using RotateHadamardBase::RotateHadamardBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(check(module)))
      return signalPassFailure();
    module.walk([&](Operation *op) { places.insert({op, places.size()}); });
    llvm::MapVector<StringRef, int64_t> normsLeft;
    std::vector<Stream> streams = findStreams(module, normsLeft);
    // First what is to be done with each layer, so that each weight is read and written once.
    if (values)
      module.walk([&](AttentionOp attention) { planValues(attention); });
    if (stream)
      for (Stream &found : streams)
        if (failed(planStream(found)))
          return signalPassFailure();
    if (online)
      for (Stream &found : streams)
        planOnline(found);
    for (auto &[linear, map] : maps)
      if (failed(mapLayer(linear, map)))
        return signalPassFailure();
    module.walk([](func::FuncOp function) {
      for (Block &block : function.getBody())
        eraseDead(block);
    });
    if (!maps.empty())
      module->setAttr(kRotationAttr, StringAttr::get(&getContext(), describe()));

    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    llvm::json::Object left;
    for (auto &[reason, count] : normsLeft)
      left[reason] = count;
    llvm::json::Array cosine(notHadamard.getArrayRef());
    report.add(getArgument(), "streams-rotated", static_cast<int64_t>(stream ? streams.size() : 0));
    report.add(getArgument(), "norms-left", std::move(left));
    report.add(getArgument(), "layers-rotated", static_cast<int64_t>(maps.size()));
    report.add(getArgument(), "attentions-rotated", numAttentions);
    report.add(getArgument(), "attentions-left", numAttentionsLeft);
    report.add(getArgument(), "inputs-rotated-online", numOnline);
    report.add(getArgument(), "inputs-left", numInputsLeft);
    report.add(getArgument(), "not-hadamard", std::move(cosine));
  }

private:
  LogicalResult check(ModuleOp module) {
    if (module->hasAttr(kRotationAttr))
      return module.emitError("expected a model that is not rotated yet");
    WalkResult frozen = module.walk([](LinearLike layer) { return isFrozen(layer) ? WalkResult::interrupt() : WalkResult::advance(); });
    if (frozen.wasInterrupted())
      return module.emitError("expected to rotate a whole model, before it is calibrated block by block; got one with frozen layers");
    return success();
  }

  std::string describe() const {
    return llvm::formatv("hadamard seed={0} stream={1} values={2} online={3}", seed.getValue(), stream.getValue(), values.getValue(), online.getValue());
  }

  std::shared_ptr<const HadamardRotation> record(HadamardRotation rotation) {
    if (!rotation.isHadamard())
      notHadamard.insert(rotation.getSize());
    return std::make_shared<HadamardRotation>(std::move(rotation));
  }

  /// Sorts operations of the module as it was given into their order there.
  template <typename OpT>
  void sortByPlace(SmallVector<OpT> &ops) {
    llvm::sort(ops, [&](OpT a, OpT b) { return places.lookup(a) < places.lookup(b); });
  }

  void planValues(AttentionOp attention) {
    std::optional<ValueHeads> heads = findValueHeads(attention);
    if (!heads) {
      ++numAttentionsLeft;
      return;
    }
    ++numAttentions;
    ChannelMap map;
    map.rotation = record(HadamardRotation::makeRandom(heads->size, seed + numAttentions));
    map.begin = heads->begin;
    map.count = heads->count;
    maps[heads->writer].outputs.push_back(map);
    map.begin = 0;
    for (LinearOp reader : heads->readers) {
      map.count = cast<RankedTensorType>(reader.getInput().getType()).getShape().back();
      maps[reader].inputs.push_back(map);
    }
  }

  /// Plans for layers; tables, constants and gains are changed at once.
  LogicalResult planStream(Stream &found) {
    ChannelMap map;
    map.count = found.size;
    map.rotation = record(HadamardRotation::makeRandom(found.size, seed));
    ChannelMap written = map;
    written.isCentred = found.isCentred;
    for (LinearOp writer : found.writers)
      maps[writer].outputs.push_back(written);
    for (LinearOp reader : found.readers)
      maps[reader].inputs.push_back(map);
    SmallVector<EmbeddingOp> tables(found.tables.begin(), found.tables.end());
    sortByPlace(tables);
    DenseMap<std::pair<Value, Block *>, Value> rotated;
    for (EmbeddingOp embedding : tables) {
      Value &table = rotated[{embedding.getTable(), embedding->getBlock()}];
      if (!embedding.getName())
        embedding.setName(stripCasts(embedding.getTable()).getDefiningOp<WeightOp>().getName());
      if (!table && !(table = mapValue(embedding.getTableMutable(), written)))
        return failure();
      embedding.getTableMutable().assign(table);
    }
    for (OpOperand *constant : found.constants) {
      Value value = mapValue(*constant, written);
      if (!value)
        return failure();
      constant->set(value);
    }
    for (StreamNorm &norm : found.norms)
      if (failed(planNorm(norm, map)))
        return failure();
    return success();
  }

  /// norm(h) * gain + bias, read by layers: the gain and the bias go into these.
  LogicalResult planNorm(StreamNorm &found, ChannelMap map) {
    NormOp norm = found.norm;
    FailureOr<std::vector<float>> gains = readFloats(norm.getScale(), norm);
    if (failed(gains))
      return failure();
    FailureOr<WeightOp> ones =
        addWeight(norm, "ones", cast<RankedTensorType>(norm.getScale().getType()), std::vector<float>(gains->size(), 1));
    if (failed(ones))
      return failure();
    norm.getScaleMutable().assign(ones->getResult());
    map.gains = std::make_shared<std::vector<float>>(std::move(*gains));
    std::shared_ptr<std::vector<float>> bias;
    if (norm.getBias()) {
      FailureOr<std::vector<float>> values = readFloats(norm.getBias(), norm);
      if (failed(values))
        return failure();
      bias = std::make_shared<std::vector<float>>(std::move(*values));
      norm.getBiasMutable().clear();
    }
    norm.setKind(NormKind::RMS);
    for (LinearOp reader : found.readers) {
      maps[reader].inputs.push_back(map);
      maps[reader].inputBias = bias;
    }
    return success();
  }

  /// What is left of the inputs of a stream's writers: each is rotated once, for all that read it.
  void planOnline(Stream &found) {
    for (LinearOp writer : found.writers) {
      Value input = writer.getInput();
      auto isRotated = [&](LinearOp linear) {
        auto known = maps.find(linear);
        return known != maps.end() && !known->second.inputs.empty();
      };
      auto joins = [&](LinearOp linear) {
        return linear && linear->getBlock() == writer->getBlock() && linear.getInput() == input && found.writers.contains(linear) && !isRotated(linear);
      };
      if (isRotated(writer) || input.getDefiningOp<RotateOp>())
        continue;
      int64_t size = cast<RankedTensorType>(input.getType()).getShape().back();
      HadamardRotation made = HadamardRotation::make(size);
      if (size == 1 || made.getFactorSize() > kLargestOnlineFactor) {
        ++numInputsLeft;
        continue;
      }
      ChannelMap map;
      map.count = size;
      map.rotation = record(std::move(made));
      SmallVector<LinearOp> readers;
      for (Operation *user : input.getUsers())
        if (auto linear = dyn_cast<LinearOp>(user); joins(linear))
          readers.push_back(linear);
      sortByPlace(readers);
      OpBuilder builder(readers.front());
      Value rotated = RotateOp::create(builder, writer.getLoc(), input, IntegerAttr());
      for (LinearOp reader : readers) {
        reader.getInputMutable().assign(rotated);
        maps[reader].inputs.push_back(map);
      }
      ++numOnline;
    }
  }

  DenseMap<Operation *, size_t> places;
  llvm::MapVector<LinearOp, LayerMap> maps;
  llvm::SetVector<int64_t> notHadamard;
  int64_t numAttentions = 0, numAttentionsLeft = 0, numOnline = 0, numInputsLeft = 0;
};
} // namespace
