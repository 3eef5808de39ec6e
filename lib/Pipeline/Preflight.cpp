//===- Preflight.cpp - refuses what cannot be done, before it is begun ----===//
#include "Compiler.h"

#include "terse/Pipeline/Recipe.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

#include <fstream>
#include <sys/statvfs.h>

using namespace mlir;
using namespace terse;

static std::string getOutputFolder(llvm::StringRef output) {
  llvm::StringRef parent = llvm::sys::path::parent_path(output);
  return parent.empty() ? "." : parent.str();
}

/// Bytes that may be written to `folder`; none where the system does not say.
static std::optional<uint64_t> getAvailableSpace(llvm::StringRef folder) {
  struct statvfs status;
  if (::statvfs(folder.str().c_str(), &status) != 0 || status.f_blocks == 0)
    return std::nullopt;
  return uint64_t(status.f_bavail) * status.f_frsize;
}

/// The file system of a folder that will be made where it is not there yet; none where the system does not say.
static std::optional<uint64_t> getDevice(llvm::StringRef folder) {
  llvm::SmallString<128> path(folder);
  while (!path.empty() && !llvm::sys::fs::exists(path))
    llvm::sys::path::remove_filename(path);
  llvm::sys::fs::UniqueID id;
  if (llvm::sys::fs::getUniqueID(path.empty() ? "." : path.str(), id))
    return std::nullopt;
  return id.getDevice();
}

/// Memory that a program can have now: of the machine, and of its control group.
static std::optional<uint64_t> getAvailableMemory() {
  std::optional<uint64_t> available;
  std::ifstream info("/proc/meminfo");
  for (std::string line; std::getline(info, line);) {
    unsigned long kilobytes;
    if (std::sscanf(line.c_str(), "MemAvailable: %lu", &kilobytes) == 1)
      available = uint64_t(kilobytes) * 1024;
  }
  std::ifstream group("/sys/fs/cgroup/memory.max");
  uint64_t most;
  if (group >> most && (!available || most < *available))
    available = most;
  return available;
}

Forecast Compiler::forecast(llvm::StringRef compress, unsigned threads, const CalibrationSizes *calibrated) {
  ForecastOptions forecastOptions;
  forecastOptions.compress = compress;
  forecastOptions.optimize = !options.plain;
  forecastOptions.levels = options.levels;
  forecastOptions.threads = threads;
  if (calibrated) {
    forecastOptions.calibration = &options.calibration;
    forecastOptions.sizes = *calibrated;
  }
  return forecastCompile(*module, forecastOptions);
}

/// The recipe that keeps most of the weights' precision and fits, if the one
/// that was asked for does not.
std::string Compiler::suggestRecipe(uint64_t space) {
  for (const char *name : {"f16", "w8", "w4", "w3", "w2"}) {
    llvm::Expected<Recipe> recipe = parseRecipe(name);
    if (!recipe) {
      llvm::consumeError(recipe.takeError());
      continue;
    }
    Forecast smaller = forecast(recipe->pipeline, 1);
    if (smaller.diskBytes <= space)
      return (llvm::Twine("--recipe=") + name + " takes " +
              formatBytes(smaller.diskBytes))
          .str();
  }
  return "";
}

llvm::Error Compiler::preflight() {
  unsigned threads = llvm::hardware_concurrency(options.threads).compute_thread_count();
  CalibrationSizes sizes;
  bool calibrates = !options.calibration.data.empty();
  if (auto entry = module->lookupSymbol<func::FuncOp>(TerseDialect::kEntryName); calibrates && entry) {
    llvm::Expected<CalibrationSizes> found = findCalibrationSizes(options.calibration, getModelInputs(entry));
    if (!found)
      return found.takeError();
    sizes = std::move(*found);
  }
  expected = forecast(getWholePipeline(), threads, calibrates ? &sizes : nullptr);
  // Text alone: no artifact, and nothing to know of what will be written.
  if (options.emit == EmitKind::LLVM || options.emit == EmitKind::MLIR ||
      options.stopAfter)
    return llvm::Error::success();
  std::string folder = getOutputFolder(options.output);
  std::optional<uint64_t> space = getAvailableSpace(folder),
                          memory = getAvailableMemory();

  // Levels are compiled one by one where that fits and more does not.
  uint64_t most = std::min<uint64_t>(options.maxMemory ? options.maxMemory : ~0ull,
                           memory.value_or(~0ull));
  levelsBesideEachOther = expected.memoryBytes <= most;
  if (!levelsBesideEachOther)
    expected.memoryBytes = expected.leastMemoryBytes;

  if (options.preflight) {
    reportForecast(folder, space, memory, threads);
  } else {
    say("forecast: " + formatBytes(expected.artifactBytes) + " artifact, " +
        formatBytes(expected.memoryBytes) + " memory, " +
        formatBytes(expected.diskBytes) + " disk, " +
        llvm::formatv("{0:f0} s", expected.seconds).str());
  }
  // Calibration's folder may lie on another disk.
  const std::string &kept = options.calibration.folder;
  if (calibrates && !kept.empty() && getDevice(kept) != getDevice(folder)) {
    expected.diskBytes -= expected.calibrationDiskBytes;
    if (std::optional<uint64_t> room = getAvailableSpace(getOutputFolder(kept)); room && expected.calibrationDiskBytes > *room)
      return llvm::createStringError("cannot write to '" + kept + "': " + llvm::sys::StrError(ENOSPC) + ": expected " +
                                     formatBytes(expected.calibrationDiskBytes) + "; got " + formatBytes(*room));
  }
  if (space && expected.diskBytes > *space) {
    std::string other = suggestRecipe(*space);
    return llvm::createStringError(
        "cannot write '" + options.output + "': " + llvm::sys::StrError(ENOSPC) +
        ": expected " + formatBytes(expected.diskBytes) + " in '" + folder +
        "'; got " + formatBytes(*space) +
        (other.empty() ? "" : " (" + other + ")"));
  }
  if (expected.memoryBytes > most) {
    bool own = options.maxMemory && options.maxMemory == most;
    return llvm::createStringError(
        "expected " +
        (own ? "--max-memory of at least " + std::to_string((expected.memoryBytes >> 20) + 1) + "M"
             : "memory of " + formatBytes(expected.memoryBytes)) +
        "; got " + formatBytes(most) + " (weight '" + expected.largestWeight +
        "' takes " + formatBytes(expected.weightMemoryBytes) +
        ", code generation " + formatBytes(expected.codeMemoryBytes) +
        (calibrates ? ", calibration " + formatBytes(expected.calibrationMemoryBytes) : "") + ")");
  }
  return llvm::Error::success();
}

void Compiler::reportForecast(llvm::StringRef folder,
                             std::optional<uint64_t> space,
                             std::optional<uint64_t> memory, unsigned threads) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  auto line = [&](llvm::StringRef key, const llvm::Twine &value) {
    stream << llvm::left_justify(key, 12) << value << '\n';
  };
  auto available = [](std::optional<uint64_t> bytes) {
    return bytes ? "; available " + formatBytes(*bytes) : std::string();
  };
  line("model", llvm::formatv("{0} values, ", expected.parameters).str() +
                    formatBytes(expected.sourceBytes));
  line("recipe", recipeName);
  line("artifact", formatBytes(expected.artifactBytes));
  line("code for", llvm::join(expected.levels, ", ") + "; this machine runs " + getHostLevel().name);
  line("threads", llvm::Twine(threads) +
                      (levelsBesideEachOther ? "" : ", levels one by one"));
  line("memory", formatBytes(expected.memoryBytes) + available(memory));
  line("disk", formatBytes(expected.diskBytes) + available(space) + " in '" +
                   folder + "'");
  line("time", llvm::formatv("{0:f1} s", expected.seconds).str());
  if (expected.calibrationDiskBytes)
    line("calibration", llvm::formatv("{0} memory, {1} disk and {2:f1} s of these", formatBytes(expected.calibrationMemoryBytes),
                                      formatBytes(expected.calibrationDiskBytes), expected.calibrationSeconds)
                            .str());
  listener.onMessage(
      {Message::Kind::Report, "", llvm::StringRef(text).rtrim('\n').str()});
}
