//===- RunOnce.cpp - any inputs to any outputs ------------------*- C++ -*-===//
#include "Run.h"

#include "terse/Npy/Npz.h"
#include "terse/Runtime/Suggest.h"

#include <cstdio>

namespace terse::run {

using namespace rt;
using npy::Array;

namespace {

std::vector<std::string> namesOf(const std::vector<TensorSpec> &specs) {
  std::vector<std::string> names;
  for (const TensorSpec &spec : specs)
    names.push_back(spec.name);
  return names;
}

Status unknownInput(const Manifest &manifest, const std::string &name) {
  const char *hint = manifest.states.empty()
                         ? ""
                         : "; this artifact keeps its cache as state (compile "
                           "with --keep-cache-io to have it as inputs)";
  std::string near = suggestion(name, namesOf(manifest.inputs));
  return fail(Code::InvalidArgument, "the model has no input '%s'%s",
              name.c_str(), near.empty() ? hint : near.c_str());
}

/// NAME=FILE; a name may itself contain '=', so the longest input that fits.
Status readNamed(const Manifest &manifest, const std::string &argument,
                 std::map<std::string, Array> &arrays) {
  const TensorSpec *best = nullptr;
  for (const TensorSpec &spec : manifest.inputs)
    if (argument.compare(0, spec.name.size() + 1, spec.name + "=") == 0 &&
        (!best || spec.name.size() > best->name.size()))
      best = &spec;
  if (!best) {
    size_t equals = argument.find('=');
    if (equals == std::string::npos)
      return fail(Code::InvalidArgument,
                  "--input: expected NAME=FILE.npy; got '%s'",
                  argument.c_str());
    return unknownInput(manifest, argument.substr(0, equals));
  }
  Result<Array> array = npy::readNpy(argument.substr(best->name.size() + 1));
  if (!array.ok())
    return array.status();
  if (!arrays.emplace(best->name, std::move(*array)).second)
    return fail(Code::InvalidArgument, "input '%s' is given twice",
                best->name.c_str());
  return Status();
}

Status readInputs(const Options &options, const Manifest &manifest,
                  std::map<std::string, Array> &arrays) {
  if (!options.inputs.empty()) {
    auto archive = npy::readNpz(options.inputs);
    if (!archive.ok())
      return archive.status();
    arrays = std::move(*archive);
  }
  for (const std::string &argument : options.input)
    if (Status status = readNamed(manifest, argument, arrays); !status.ok())
      return status;
  for (const auto &[name, array] : arrays)
    if (Manifest::find(manifest.inputs, name) < 0)
      return unknownInput(manifest, name);
  std::string missing;
  for (const TensorSpec &spec : manifest.inputs)
    if (!arrays.count(spec.name) && spec.defaultValue.empty())
      missing += (missing.empty() ? "" : ", ") + ("'" + spec.name + "' ") +
                 describe(spec);
  if (!missing.empty())
    return fail(Code::InvalidArgument, "inputs are missing: %s",
                missing.c_str());
  return Status();
}

/// The inputs in the manifest's order; those that are not given have defaults.
std::vector<TensorView> orderInputs(const Manifest &manifest,
                                    const std::map<std::string, Array> &arrays) {
  std::vector<TensorView> inputs;
  for (const TensorSpec &spec : manifest.inputs) {
    auto given = arrays.find(spec.name);
    if (given == arrays.end())
      inputs.push_back(*defaultOf(spec));
    else
      inputs.push_back({given->second.dtype, given->second.shape,
                        given->second.data.data()});
  }
  return inputs;
}

/// Says how far each output is from the same one of `reference`.
Status compare(Session &session, const Context &mine, const Context &reference) {
  const std::vector<TensorSpec> &specs = mine.manifest().outputs;
  for (size_t i = 0; i < specs.size(); ++i) {
    const std::string &name = specs[i].name;
    int other = Manifest::find(reference.manifest().outputs, name);
    if (other < 0)
      return fail(Code::InvalidArgument, "'%s' has no output '%s'%s",
                  session.options.against.c_str(), name.c_str(),
                  suggestion(name, namesOf(reference.manifest().outputs)).c_str());
    OutputError error;
    if (Status status = compareOutputs(mine.output(i), reference.output(other), error);
        !status.ok())
      return fail(status.code(), "output '%s': %s", name.c_str(),
                  status.message().c_str());
    session.report.addError(name, error);
    if (session.options.json)
      continue;
    std::printf("%s: max_abs %.6g max_over_range %.6g relative_l2 %.6g",
                name.c_str(), error.maxAbsolute, error.maxOverRange(),
                error.relativeL2);
    if (error.rows)
      std::printf(" argmax_agreement %.6g", error.argmaxAgreement);
    if (error.unequalNonFinite)
      std::printf(" unequal_non_finite %lld", (long long)error.unequalNonFinite);
    std::printf("\n");
  }
  return Status();
}

/// Says how often the largest element of a row is where --labels has it.
Status score(Session &session, const Context &mine, const Context *reference) {
  const std::vector<TensorSpec> &specs = mine.manifest().outputs;
  std::string path = session.options.labels;
  size_t chosen = 0;
  // A name may itself contain '=', so the longest output that fits.
  size_t longest = 0;
  for (size_t i = 0; i < specs.size(); ++i)
    if (path.compare(0, specs[i].name.size() + 1, specs[i].name + "=") == 0 &&
        specs[i].name.size() + 1 > longest) {
      chosen = i;
      longest = specs[i].name.size() + 1;
    }
  Result<Array> labels = npy::readNpy(path.substr(longest));
  if (!labels.ok())
    return labels.status();
  const std::string &name = specs[chosen].name;
  TensorView view = {labels->dtype, labels->shape, labels->data.data()};
  auto report = [&](const TensorView &scores, const char *key) {
    double accuracy = 0;
    Status status = measureAccuracy(scores, view, accuracy);
    if (!status.ok())
      return fail(status.code(), "--labels of output '%s': %s", name.c_str(),
                  status.message().c_str());
    session.report.addAccuracy(name, key, accuracy);
    if (!session.options.json)
      std::printf("%s: %s %.6g\n", name.c_str(), key, accuracy);
    return Status();
  };
  Status status = report(mine.output(chosen), "accuracy");
  int other =
      reference ? Manifest::find(reference->manifest().outputs, name) : -1;
  if (status.ok() && other >= 0)
    status = report(reference->output(size_t(other)), "against_accuracy");
  return status;
}

} // namespace

Status runOnce(Session &session) {
  const Options &options = session.options;
  const Manifest &manifest = session.model->manifest();
  std::map<std::string, Array> arrays;
  if (Status status = readInputs(options, manifest, arrays); !status.ok())
    return status;
  std::vector<TensorView> inputs = orderInputs(manifest, arrays);
  int64_t sequence = 1, batch = 1;
  for (const TensorSpec &spec : manifest.inputs) {
    auto given = arrays.find(spec.name);
    if (given == arrays.end() || spec.role != "input_ids" ||
        given->second.shape.size() != 2)
      continue;
    batch = std::max<int64_t>(1, given->second.shape[0]);
    sequence = std::max<int64_t>(1, given->second.shape[1]);
  }
  ContextOptions contextOptions = session.contextOptions(sequence);
  contextOptions.batch = batch;
  Result<std::unique_ptr<Context>> context =
      Context::create(session.model, contextOptions);
  if (!context.ok())
    return context.status();
  Clock clock;
  if (Status status = (*context)->run(inputs); !status.ok())
    return status;
  double seconds = clock.seconds();
  session.timing("run", seconds * 1e3, "ms");
  session.report.add("run_s", seconds);

  std::vector<npy::Item> items;
  for (size_t i = 0; i < manifest.outputs.size(); ++i) {
    const TensorSpec &spec = manifest.outputs[i];
    const TensorView &view = (*context)->output(i);
    items.push_back({spec.name, view.dtype, view.shape, view.data});
    session.report.addOutput(spec.name, view);
    if (options.outputs.empty() && !options.json) {
      std::printf("%s: %s [", spec.name.c_str(), nameOf(view.dtype));
      for (size_t d = 0; d < view.shape.size(); ++d)
        std::printf("%s%lld", d ? ", " : "", (long long)view.shape[d]);
      std::printf("]\n");
    }
  }
  std::unique_ptr<Context> reference;
  if (!options.against.empty()) {
    Result<std::shared_ptr<const Model>> opened =
        Model::open(options.against, options.level);
    if (!opened.ok())
      return opened.status();
    for (const auto &[name, array] : arrays)
      if (Manifest::find((*opened)->manifest().inputs, name) < 0)
        return fail(Code::InvalidArgument, "'%s' has no input '%s'",
                    options.against.c_str(), name.c_str());
    for (const TensorSpec &spec : (*opened)->manifest().inputs)
      if (!arrays.count(spec.name) && spec.defaultValue.empty())
        return fail(Code::InvalidArgument,
                    "'%s' has an input '%s' that is not given",
                    options.against.c_str(), spec.name.c_str());
    Result<std::unique_ptr<Context>> created =
        Context::create(*opened, contextOptions);
    if (!created.ok())
      return created.status();
    reference = std::move(*created);
    if (Status status =
            reference->run(orderInputs(reference->manifest(), arrays));
        !status.ok())
      return fail(status.code(), "'%s': %s", options.against.c_str(),
                  status.message().c_str());
    if (Status status = compare(session, **context, *reference); !status.ok())
      return status;
  }
  if (!options.labels.empty())
    if (Status status = score(session, **context, reference.get());
        !status.ok())
      return status;
  if (options.outputs.empty())
    return Status();
  return npy::writeNpz(options.outputs, items);
}

} // namespace terse::run
