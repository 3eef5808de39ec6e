//===- Peers.cpp - beside other engines -------------------------*- C++ -*-===//
#include "Peers.h"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace terse::bench {

using namespace rt;

Status runPeers(const FloorOptions &options,
                std::vector<std::string> arguments) {
  char program[PATH_MAX] = {};
  if (!::realpath("/proc/self/exe", program))
    return fail(Code::Internal, "cannot find this program's folder: %s",
                std::strerror(errno));
  std::string folder(program);
  folder.resize(folder.rfind('/'));
  // Installed: <prefix>/bin; in the source tree: build/<preset>/bin.
  std::string script = folder + "/../share/terse/peers/peers.py";
  if (::access(script.c_str(), R_OK) != 0)
    script = folder + "/../../../tools/terse-bench/peers/peers.py";
  if (::access(script.c_str(), R_OK) != 0)
    return fail(Code::Io,
                "expected %s/../share/terse/peers/peers.py, which is "
                "installed with this program",
                folder.c_str());

  arguments.insert(arguments.begin(), {"python3", script});
  arguments.insert(arguments.end(),
                   {"--programs=" + folder,
                    std::string("--cpu-level=") + nameOf(options.level),
                    "--threads=" + std::to_string(options.threads)});
  std::vector<char *> argv;
  for (std::string &argument : arguments)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  return fail(Code::Unsupported, "--peers needs python3, which cannot be "
                                 "started: %s",
              std::strerror(errno));
}

} // namespace terse::bench
