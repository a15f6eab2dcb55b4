/**
 * The symbols of libbpf and libc that libbpf.ts calls, loaded once. What libbpf prints goes to a list instead of standard error, so
 * that an error can carry it.
 */
import koffi, { type LibraryHandle, type TypeObject } from 'koffi';
import { BpfError } from './bpf-error.ts';

/** Pointers are koffi's own; only libbpf.ts passes them on. Functions return -errno, or null for pointers. */
export interface BpfCalls {
  openFile(path: string, options: object): unknown;
  load(object: unknown): number;
  closeObject(object: unknown): void;
  nextMap(object: unknown, map: unknown): unknown;
  findMap(object: unknown, name: string): unknown;
  findMapFd(object: unknown, name: string): number;
  findProgram(object: unknown, name: string): unknown;
  programFd(program: unknown): number;
  mapName(map: unknown): string;
  mapType(map: unknown): number;
  keySize(map: unknown): number;
  valueSize(map: unknown): number;
  maxEntries(map: unknown): number;
  mapFlags(map: unknown): number;
  setMaxEntries(map: unknown, entries: number): number;
  reuseFd(map: unknown, fd: number): number;
  createMap(type: number, name: string, keySize: number, valueSize: number, entries: number, options: object): number;
  lookup(fd: number, key: Uint8Array, value: Uint8Array): number;
  update(fd: number, key: Uint8Array, value: Uint8Array, flags: number): number;
  updateMany(fd: number, keys: Uint8Array, values: Uint8Array, count: Uint8Array, options: null): number;
  remove(fd: number, key: Uint8Array): number;
  nextKey(fd: number, key: Uint8Array | null, next: Uint8Array): number;
  pin(fd: number, path: string): number;
  get(path: string): number;
  info(fd: number, info: Uint8Array, length: Uint8Array): number;
  createLink(program: number, ifindex: number, type: number, options: object): number;
  updateLink(link: number, program: number, options: null): number;
  testRun(program: number, options: object): number;
  possibleCpus(): number;
}

export interface LibcCalls {
  mmap(at: null, length: number, protection: number, flags: number, fd: number, offset: number): unknown;
  munmap(at: unknown, length: number): number;
  mount(source: string, target: string, type: string, flags: number, data: string): number;
  fcntl(fd: number, command: number, argument: number): number;
  close(fd: number): number;
}

export interface Calls {
  readonly bpf: BpfCalls;
  readonly libc: LibcCalls;
  /** Lines libbpf printed since somebody emptied it: warnings only. */
  readonly said: string[];
  /** Sizes of libbpf's option structs: the first field of each says how much of it the caller knows. */
  readonly sizes: { readonly open: number; readonly create: number; readonly link: number; readonly testRun: number };
}

const pointer = (type: TypeObject): TypeObject => koffi.pointer(type);
const LINE_BYTES = 8192;
const SAID_LINES = 200;
let loaded: Calls | null = null;

/** Returns the calls. Throws BpfError when libbpf 1.x is not installed. */
export function calls(): Calls {
  loaded ??= load();
  return loaded;
}

function load(): Calls {
  let lib: LibraryHandle;
  try {
    lib = koffi.load('libbpf.so.1');
  } catch (cause) {
    throw new BpfError(`libbpf 1.x cannot be loaded (${cause instanceof Error ? cause.message : String(cause)})`, 0, { cure: 'apt-get install libbpf1 (on others: the package of libbpf.so.1)' });
  }
  const std = koffi.load('libc.so.6');
  // Named nowhere: two modules of one process may each have such a struct.
  const open = koffi.struct({
    sz: 'size_t', object_name: 'const char *', relaxed_maps: 'uint8_t', pin_root_path: 'const char *', pad: 'uint32_t', kconfig: 'const char *', btf_custom_path: 'const char *',
    kernel_log_buf: 'void *', kernel_log_size: 'size_t', kernel_log_level: 'uint32_t',
  });
  const create = koffi.struct({
    sz: 'size_t', btf_fd: 'uint32_t', btf_key_type_id: 'uint32_t', btf_value_type_id: 'uint32_t', btf_vmlinux_value_type_id: 'uint32_t', inner_map_fd: 'uint32_t',
    map_flags: 'uint32_t', map_extra: 'uint64_t', numa_node: 'uint32_t', map_ifindex: 'uint32_t',
  });
  // Zeroes follow where libbpf's own struct goes on with a union.
  const link = koffi.struct({ sz: 'size_t', flags: 'uint32_t', iter_info: 'void *', iter_info_len: 'uint32_t', target_btf_id: 'uint32_t' });
  const test = koffi.struct({
    sz: 'size_t', data_in: 'void *', data_out: 'void *', data_size_in: 'uint32_t', data_size_out: 'uint32_t', ctx_in: 'void *', ctx_out: 'void *', ctx_size_in: 'uint32_t',
    ctx_size_out: 'uint32_t', retval: 'uint32_t', repeat: 'int', duration: 'uint32_t', flags: 'uint32_t', cpu: 'uint32_t', batch_size: 'uint32_t',
  });
  const bpf: BpfCalls = {
    openFile: lib.func('bpf_object__open_file', 'void *', ['const char *', pointer(open)]),
    load: lib.func('int bpf_object__load(void *obj)'),
    closeObject: lib.func('void bpf_object__close(void *obj)'),
    nextMap: lib.func('void *bpf_object__next_map(void *obj, void *map)'),
    findMap: lib.func('void *bpf_object__find_map_by_name(void *obj, const char *name)'),
    findMapFd: lib.func('int bpf_object__find_map_fd_by_name(void *obj, const char *name)'),
    findProgram: lib.func('void *bpf_object__find_program_by_name(void *obj, const char *name)'),
    programFd: lib.func('int bpf_program__fd(void *prog)'),
    mapName: lib.func('const char *bpf_map__name(void *map)'),
    mapType: lib.func('int bpf_map__type(void *map)'),
    keySize: lib.func('uint32_t bpf_map__key_size(void *map)'),
    valueSize: lib.func('uint32_t bpf_map__value_size(void *map)'),
    maxEntries: lib.func('uint32_t bpf_map__max_entries(void *map)'),
    mapFlags: lib.func('uint32_t bpf_map__map_flags(void *map)'),
    setMaxEntries: lib.func('int bpf_map__set_max_entries(void *map, uint32_t entries)'),
    reuseFd: lib.func('int bpf_map__reuse_fd(void *map, int fd)'),
    createMap: lib.func('bpf_map_create', 'int', ['int', 'const char *', 'uint32_t', 'uint32_t', 'uint32_t', pointer(create)]),
    lookup: lib.func('int bpf_map_lookup_elem(int fd, const void *key, void *value)'),
    update: lib.func('int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)'),
    updateMany: lib.func('int bpf_map_update_batch(int fd, const void *keys, const void *values, void *count, const void *opts)'),
    remove: lib.func('int bpf_map_delete_elem(int fd, const void *key)'),
    nextKey: lib.func('int bpf_map_get_next_key(int fd, const void *key, void *next)'),
    pin: lib.func('int bpf_obj_pin(int fd, const char *path)'),
    get: lib.func('int bpf_obj_get(const char *path)'),
    info: lib.func('int bpf_obj_get_info_by_fd(int fd, void *info, void *length)'),
    createLink: lib.func('bpf_link_create', 'int', ['int', 'int', 'int', pointer(link)]),
    updateLink: lib.func('int bpf_link_update(int link, int prog, const void *opts)'),
    testRun: lib.func('bpf_prog_test_run_opts', 'int', ['int', koffi.inout(pointer(test))]),
    possibleCpus: lib.func('int libbpf_num_possible_cpus()'),
  };
  const libc: LibcCalls = {
    mmap: std.func('void *mmap(void *addr, size_t length, int prot, int flags, int fd, int64_t offset)'),
    munmap: std.func('int munmap(void *addr, size_t length)'),
    mount: std.func('int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)'),
    fcntl: std.func('int fcntl(int fd, int command, int argument)'),
    close: std.func('int close(int fd)'),
  };
  return { bpf, libc, said: listen(lib, std), sizes: { open: koffi.sizeof(open), create: koffi.sizeof(create), link: koffi.sizeof(link), testRun: koffi.sizeof(test) } };
}

/** Takes libbpf's words from standard error. A va_list goes on as the pointer it is passed as on x86-64 and arm64. */
function listen(lib: LibraryHandle, std: LibraryHandle): string[] {
  const said: string[] = [];
  const format = std.func('int vsnprintf(void *out, size_t size, const char *format, void *arguments)') as (out: Buffer, size: number, format: unknown, args: unknown) => number;
  const proto = koffi.proto('int', ['int', 'void *', 'void *']);
  const line = Buffer.alloc(LINE_BYTES);
  const callback = koffi.register((level: number, text: unknown, args: unknown): number => {
    if (level > 0 || said.length >= SAID_LINES) return 0;
    const length = format(line, LINE_BYTES, text, args);
    said.push(line.toString('utf8', 0, Math.min(length, LINE_BYTES - 1)));
    return 0;
  }, koffi.pointer(proto));
  (lib.func('libbpf_set_print', 'void *', [koffi.pointer(proto)]) as (callback: bigint) => unknown)(callback);
  return said;
}
