/*===- Version.h - version of the runtime ------------------------*- C -*-===*/
#ifndef TERSE_RUNTIME_VERSION_H
#define TERSE_RUNTIME_VERSION_H

#ifndef TERSE_VERSION
#define TERSE_VERSION "0.1.0"
#endif

#endif /* TERSE_RUNTIME_VERSION_H */
