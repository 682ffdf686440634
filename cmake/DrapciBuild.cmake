# What every target of the project shares: language, warnings, sanitizers, linker, libraries.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set_property(GLOBAL PROPERTY GLOBAL_DEPENDS_NO_CYCLES ON)
include(GNUInstallDirs)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(-fuse-ld=mold)
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
pkg_check_modules(LIBPCI REQUIRED IMPORTED_TARGET libpci)
pkg_check_modules(LIBUDEV REQUIRED IMPORTED_TARGET libudev)
pkg_check_modules(LIBDRM REQUIRED IMPORTED_TARGET libdrm)
pkg_check_modules(LIBMNL REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(LIBSYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)

# Warnings for our own code; generated code is exempt.
add_library(drapci_warnings INTERFACE)
target_compile_options(drapci_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual
  -Woverloaded-virtual -Wnull-dereference -Wformat=2 -Werror
  # A designated initializer names what differs from the defaults.
  -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of g++ 12 in the standard library at -O2.
  target_compile_options(drapci_warnings INTERFACE -Wno-restrict -Wno-maybe-uninitialized
    -Wno-null-dereference)
endif()

if(DRAPCI_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(DRAPCI_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(NOT DRAPCI_SANITIZE STREQUAL "")
  message(FATAL_ERROR "DRAPCI_SANITIZE is '${DRAPCI_SANITIZE}'; allowed: address, thread or empty")
endif()
if(DRAPCI_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined)
  add_link_options(-fsanitize=address,undefined)
endif()

# drapci_library(NAME SOURCES... LINK LIBRARIES...): a library of one folder.
function(drapci_library name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE drapci_warnings)
endfunction()

# drapci_program(NAME SOURCES... LINK LIBRARIES...)
function(drapci_program name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} drapci_warnings)
endfunction()

# gRPC without TLS (every socket is a unix socket), dynamic or static.
add_library(drapci_grpc INTERFACE)
if(DRAPCI_STATIC_GRPC)
  pkg_check_modules(GRPC_STATIC REQUIRED grpc++_unsecure protobuf)
  # libstdc++ stays dynamic: libyaml-cpp and libfmt bring it, and two of them would be one too many.
  target_link_options(drapci_grpc INTERFACE -Wl,--gc-sections)
  # grpc_unsecure.pc forgets its private libraries; grpc.pc names them.
  target_link_libraries(drapci_grpc INTERFACE
    -Wl,-Bstatic -Wl,--start-group ${GRPC_STATIC_STATIC_LIBRARIES} address_sorting cares re2 upb
    -Wl,--end-group -Wl,-Bdynamic)
else()
  target_link_libraries(drapci_grpc INTERFACE gRPC::grpc++_unsecure protobuf::libprotobuf)
endif()
target_link_libraries(drapci_grpc INTERFACE Threads::Threads)
