//===- Artifact.cpp - sections that the linker does not make --------------===//
//
// The linker makes a file of code and manifest; this appends the weights, which
// it need never read. Layout of the result: what the linker wrote but its
// section names and section headers, weights (page-aligned), tokenizer, seal,
// section names, section headers.
//===----------------------------------------------------------------------===//
#include "terse/Target/Artifact.h"

#include "OutputFile.h"

#include "Terse/TerseDialect.h"
#include "terse/Runtime/ArtifactABI.h"
#include "terse/Runtime/OddNumbers.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SHA256.h"

#include <cstring>

using namespace mlir;
using namespace terse;
using namespace llvm::ELF;

namespace {
/// A linked 64-bit ELF file of this machine's byte order, held in memory: it
/// has no weights yet.
struct LinkedFile {
  std::string bytes;
  Elf64_Ehdr header;
  std::vector<Elf64_Shdr> sections;
  std::string names;
  /// End of what is kept: all but section names and headers.
  uint64_t end = 0;

  llvm::StringRef getName(const Elf64_Shdr &section) const {
    return names.c_str() + section.sh_name;
  }
};
} // namespace

static llvm::Expected<LinkedFile> readLinkedFile(OutputFile &file) {
  LinkedFile linked;
  llvm::Expected<std::string> bytes = file.readAll();
  if (!bytes)
    return bytes.takeError();
  linked.bytes = std::move(*bytes);
  auto malformed = [] {
    return llvm::createStringError("the linker made a malformed file");
  };
  if (linked.bytes.size() < sizeof(Elf64_Ehdr) ||
      linked.bytes.compare(0, 4, ElfMagic, 4) != 0)
    return malformed();
  std::memcpy(&linked.header, linked.bytes.data(), sizeof(Elf64_Ehdr));
  const Elf64_Ehdr &header = linked.header;
  uint64_t tableSize = uint64_t(header.e_shnum) * sizeof(Elf64_Shdr);
  if (header.e_shentsize != sizeof(Elf64_Shdr) ||
      header.e_shstrndx >= header.e_shnum ||
      header.e_shoff > linked.bytes.size() ||
      tableSize > linked.bytes.size() - header.e_shoff)
    return malformed();
  linked.sections.resize(header.e_shnum);
  std::memcpy(linked.sections.data(), linked.bytes.data() + header.e_shoff,
              tableSize);
  for (const Elf64_Shdr &section : linked.sections)
    if (section.sh_type != SHT_NOBITS &&
        (section.sh_offset > linked.bytes.size() ||
         section.sh_size > linked.bytes.size() - section.sh_offset))
      return malformed();
  const Elf64_Shdr &strings = linked.sections[header.e_shstrndx];
  linked.names = linked.bytes.substr(strings.sh_offset, strings.sh_size);
  for (const Elf64_Shdr &section : linked.sections)
    if (section.sh_name >= linked.names.size())
      return malformed();
  for (auto [i, section] : llvm::enumerate(linked.sections))
    if (i != header.e_shstrndx && section.sh_type != SHT_NOBITS)
      linked.end =
          std::max<uint64_t>(linked.end, section.sh_offset + section.sh_size);
  return linked;
}

/// SHA-256 of all code and constants: the contents of mapped sections but the
/// manifest.
static std::string hashCode(const LinkedFile &linked) {
  llvm::SHA256 hash;
  for (const Elf64_Shdr &section : linked.sections)
    if ((section.sh_flags & SHF_ALLOC) && section.sh_type == SHT_PROGBITS &&
        linked.getName(section) != ".terse.manifest")
      hash.update(llvm::StringRef(linked.bytes)
                      .substr(section.sh_offset, section.sh_size));
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

/// Calls `take` with the data of a weight. Of a file only a piece is in memory
/// at once.
static llvm::Error
forEachPiece(DictionaryAttr entry, WeightStore &store,
             llvm::function_ref<llvm::Error(llvm::StringRef)> take) {
  constexpr uint64_t kPiece = 4 << 20;
  auto read = [&](Attribute data, ShapedType type) -> llvm::Error {
    llvm::Expected<WeightData> bytes = store.read(data, type);
    if (!bytes)
      return bytes.takeError();
    return take(llvm::StringRef(bytes->bytes().data(), bytes->bytes().size()));
  };
  auto file = dyn_cast<FileAttr>(entry.get("data"));
  if (!file)
    return read(entry.get("data"),
                cast<ShapedType>(entry.getAs<TypeAttr>("type").getValue()));
  MLIRContext *context = entry.getContext();
  Type byte = IntegerType::get(context, 8);
  for (uint64_t done = 0; done < file.getBytes(); done += kPiece) {
    uint64_t size = std::min(kPiece, file.getBytes() - done);
    auto piece = FileAttr::get(context, file.getPath(),
                               file.getOffset() + done, size);
    if (llvm::Error error =
            read(piece, RankedTensorType::get(int64_t(size), byte)))
      return error;
  }
  return llvm::Error::success();
}

namespace {
/// Looks for numbers in a weight that no model expects, as its pieces go by.
class WeightCheck {
public:
  explicit WeightCheck(DictionaryAttr entry) : entry(entry) {
    Type element =
        getElementTypeOrSelf(entry.getAs<TypeAttr>("type").getValue());
    type = element.isF64()    ? rt::DType::F64
           : element.isF32()  ? rt::DType::F32
           : element.isF16()  ? rt::DType::F16
           : element.isBF16() ? rt::DType::BF16
                              : rt::DType::Bool;
    auto kind = entry.getAs<StringAttr>("kind");
    isParameter =
        kind && llvm::is_contained({"linear", "embedding", "norm", "bias"},
                                   kind.getValue());
  }

  void take(llvm::StringRef bytes) {
    rt::OddNumbers odd = rt::countOddNumbers(type, bytes.data(),
                                             bytes.size() / rt::sizeOf(type));
    all.nan += odd.nan;
    all.infinite += odd.infinite;
    all.subnormal += odd.subnormal;
  }

  /// A warning, if there are any. A constant that is no parameter may be
  /// infinite, as masks are; subnormal numbers of f16 are common.
  void warn() const {
    bool mayBeSubnormal = !isParameter || type == rt::DType::F16;
    int64_t infinite = isParameter ? all.infinite : 0;
    int64_t subnormal = mayBeSubnormal ? 0 : all.subnormal;
    if (all.nan || infinite || subnormal)
      emitWarning(UnknownLoc::get(entry.getContext()))
          << "weight '" << entry.getAs<StringAttr>("name").getValue()
          << "': expected normal numbers and zeros; got others (NaN: "
          << all.nan << ", infinities: " << infinite
          << ", subnormal: " << subnormal << ")";
  }

private:
  DictionaryAttr entry;
  rt::DType type;
  bool isParameter;
  rt::OddNumbers all;
};
} // namespace

/// Moves all weights to `file`, from its current position on; returns their
/// hash. What passes made goes from its store meanwhile: the disk holds it
/// once.
static llvm::Expected<std::string>
writeWeights(OutputFile &file, const ArtifactContents &contents) {
  llvm::SHA256 hash;
  uint64_t position = 0;
  auto append = [&](llvm::StringRef bytes) -> llvm::Error {
    hash.update(bytes);
    position += bytes.size();
    return file.write(bytes);
  };
  for (Attribute attr : contents.weights) {
    auto entry = cast<DictionaryAttr>(attr);
    uint64_t offset = entry.getAs<IntegerAttr>("offset").getInt();
    if (offset < position)
      return llvm::createStringError(
          "expected weights in the order of their offsets");
    if (llvm::Error error = append(std::string(offset - position, '\0')))
      return error;
    WeightCheck check(entry);
    auto appendPiece = [&](llvm::StringRef bytes) {
      check.take(bytes);
      return append(bytes);
    };
    if (llvm::Error error = forEachPiece(entry, *contents.store, appendPiece))
      return llvm::createStringError(
          "weight '" + entry.getAs<StringAttr>("name").getValue() +
          "': " + llvm::toString(std::move(error)));
    check.warn();
    contents.store->release(entry.get("data"));
  }
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

/// Sets the zeros after `key` in the manifest to `hash`.
static bool setHash(std::string &manifest, llvm::StringRef key,
                    llvm::StringRef hash) {
  // Keys come sorted, so within `key` the first "sha256" is its own: of strings
  // before it ("bytes") none can hold the placeholder.
  size_t begin = manifest.find(("\"" + key + "\":{").str());
  size_t at =
      begin == std::string::npos
          ? begin
          : manifest.find("\"sha256\":\"" + std::string(64, '0'), begin);
  if (at == std::string::npos)
    return false;
  manifest.replace(at + 10, 64, hash.str());
  return true;
}

llvm::Error terse::appendSections(llvm::StringRef path, llvm::StringRef name,
                                  llvm::StringRef manifest,
                                  const ArtifactContents &contents) {
  llvm::Expected<OutputFile> opened = OutputFile::open(path, name);
  if (!opened)
    return opened.takeError();
  OutputFile &file = *opened;
  llvm::Expected<LinkedFile> linked = readLinkedFile(file);
  if (!linked)
    return linked.takeError();

  uint64_t weightBytes = 0;
  for (Attribute attr : contents.weights) {
    auto entry = cast<DictionaryAttr>(attr);
    weightBytes = entry.getAs<IntegerAttr>("offset").getInt() +
                  entry.getAs<IntegerAttr>("bytes").getInt();
  }
  uint64_t weightOffset = llvm::alignTo(linked->end, TERSE_WEIGHTS_ALIGNMENT);
  uint64_t tokenizerOffset =
      llvm::alignTo(weightOffset + weightBytes, TERSE_WEIGHTS_ALIGNMENT);
  bool hasTokenizer = !contents.tokenizerKind.empty();

  std::vector<Elf64_Shdr> sections = linked->sections;
  auto addSection = [&](llvm::StringRef name, uint64_t offset, uint64_t size,
                        uint64_t alignment = TERSE_WEIGHTS_ALIGNMENT) {
    Elf64_Shdr section = {};
    section.sh_name = linked->names.size();
    section.sh_type = SHT_PROGBITS;
    section.sh_offset = offset;
    section.sh_size = size;
    section.sh_addralign = alignment;
    linked->names += name;
    linked->names += '\0';
    sections.push_back(section);
  };
  addSection(TERSE_SECTION_WEIGHTS, weightOffset, weightBytes);
  uint64_t end = weightOffset + weightBytes;
  if (hasTokenizer) {
    addSection(TERSE_SECTION_TOKENIZER, tokenizerOffset,
               contents.tokenizer.size());
    end = tokenizerOffset + contents.tokenizer.size();
  }
  // An object's bytes change when it is linked.
  bool sealed = linked->header.e_type != ET_REL;
  uint64_t sealOffset = end;
  if (sealed) {
    addSection(TERSE_SECTION_SEAL, sealOffset, TERSE_SEAL_SIZE, 1);
    end += TERSE_SEAL_SIZE;
  }
  Elf64_Shdr &strings = sections[linked->header.e_shstrndx];
  strings.sh_offset = end;
  strings.sh_size = linked->names.size();
  Elf64_Ehdr header = linked->header;
  header.e_shoff = llvm::alignTo(end + linked->names.size(), 8);
  header.e_shnum = sections.size();
  uint64_t fileSize = header.e_shoff + sections.size() * sizeof(Elf64_Shdr);

  // A full disk is noticed before gigabytes are copied.
  if (llvm::Error error = file.resize(linked->end, fileSize,
                                      contents.store->getSpilledSpace()))
    return error;
  if (llvm::Error error = file.seek(weightOffset))
    return error;
  llvm::Expected<std::string> weightHash = writeWeights(file, contents);
  if (!weightHash)
    return weightHash.takeError();
  if (hasTokenizer) {
    if (llvm::Error error = file.seek(tokenizerOffset))
      return error;
    if (llvm::Error error = file.write(contents.tokenizer))
      return error;
  }
  if (llvm::Error error = file.seek(end))
    return error;
  if (llvm::Error error = file.write(linked->names))
    return error;
  if (llvm::Error error = file.seek(header.e_shoff))
    return error;
  if (llvm::Error error = file.write(
          llvm::StringRef(reinterpret_cast<const char *>(sections.data()),
                          sections.size() * sizeof(Elf64_Shdr))))
    return error;

  std::string finalManifest = manifest.str();
  if (!setHash(finalManifest, "weights", *weightHash) ||
      !setHash(finalManifest, "code", hashCode(*linked)))
    return llvm::createStringError("cannot set the hashes of the manifest");
  for (const Elf64_Shdr &section : linked->sections) {
    if (linked->getName(section) != ".terse.manifest")
      continue;
    if (section.sh_size != manifest.size())
      return llvm::createStringError("the linker changed the manifest");
    if (llvm::Error error = file.seek(section.sh_offset))
      return error;
    if (llvm::Error error = file.write(finalManifest))
      return error;
  }
  if (llvm::Error error = file.seek(0))
    return error;
  if (llvm::Error error = file.write(llvm::StringRef(
          reinterpret_cast<const char *>(&header), sizeof(header))))
    return error;
  if (sealed) {
    llvm::Expected<std::string> rest =
        file.hash({{weightOffset, weightOffset + weightBytes},
                   {sealOffset, sealOffset + TERSE_SEAL_SIZE}});
    if (!rest)
      return rest.takeError();
    std::array<uint8_t, 32> own =
        llvm::SHA256::hash(llvm::arrayRefFromStringRef(finalManifest));
    if (llvm::Error error = file.seek(sealOffset))
      return error;
    if (llvm::Error error =
            file.write(std::string(own.begin(), own.end()) + *rest))
      return error;
  }
  return file.finish();
}
