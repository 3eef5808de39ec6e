// A dialect from a plug-in, and each way in which loading one is refused.
// RUN: terse-opt %s --load-dialect-plugin=%plugins/NoteDialect.so | FileCheck %s
// CHECK: "note.mark"()
// RUN: not terse-opt %s 2>&1 | FileCheck %s --check-prefix=ABSENT
// ABSENT: error: operation being parsed with an unregistered dialect

// RUN: not terse-opt %s --load-dialect-plugin=%plugins/StalePlugin.so 2>&1 | FileCheck %s --check-prefix=STALE --implicit-check-not=ran
// STALE: error: plug-in '{{.*}}StalePlugin.so': expected a plug-in built against 'terse {{.*}}, llvm 22.{{.*}}'; got 'terse 0.0.1, llvm 14.0.6'
// RUN: not terse-opt %s --load-pass-plugin=%s 2>&1 | FileCheck %s --check-prefix=TEXT
// TEXT: error: plug-in '{{.*}}loading.mlir': The file was not recognized as a valid object file
// RUN: not terse-opt %s --load-pass-plugin=%build/lib/libTerse.so 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: plug-in '{{.*}}libTerse.so': expected a plug-in built against {{.*}}; got a file that names no version
// RUN: not terse-opt %s --load-pass-plugin=%t.none 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: plug-in '{{.*}}.none': No such file or directory
// RUN: not terse-opt %s --load-pass-plugin 2>&1 | FileCheck %s --check-prefix=NOTHING
// NOTHING: error: expected a file after '--load-pass-plugin'; got nothing
"note.mark"() : () -> ()
