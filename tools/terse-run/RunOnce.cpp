//===- RunOnce.cpp - any inputs to any outputs ------------------*- C++ -*-===//
#include "Npz.h"
#include "Run.h"

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

} // namespace

Status runOnce(Session &session) {
  const Options &options = session.options;
  const Manifest &manifest = session.model->manifest();
  std::map<std::string, Array> arrays;
  if (Status status = readInputs(options, manifest, arrays); !status.ok())
    return status;
  std::vector<TensorView> inputs;
  int64_t sequence = 1, batch = 1;
  for (const TensorSpec &spec : manifest.inputs) {
    auto given = arrays.find(spec.name);
    if (given == arrays.end()) {
      inputs.push_back(*defaultOf(spec));
      continue;
    }
    Array &array = given->second;
    inputs.push_back({array.dtype, array.shape, array.data.data()});
    if (spec.role == "input_ids" && array.shape.size() == 2) {
      batch = std::max<int64_t>(1, array.shape[0]);
      sequence = std::max<int64_t>(1, array.shape[1]);
    }
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
  if (options.outputs.empty())
    return Status();
  return npy::writeNpz(options.outputs, items);
}

} // namespace terse::run
