/**
 * The few calls of libbpf (1.x) and libc the bench needs, through koffi. Sizes are checked here: a short buffer would end
 * the process without a word.
 */
import koffi from 'koffi';

const libbpf = koffi.load('libbpf.so.1');
const libc = koffi.load('libc.so.6');

const openFile = libbpf.func('void *bpf_object__open_file(const char *path, void *opts)');
const loadObject = libbpf.func('int bpf_object__load(void *obj)');
const findProgram = libbpf.func('void *bpf_object__find_program_by_name(void *obj, const char *name)');
const programFd = libbpf.func('int bpf_program__fd(void *prog)');
const findMapFd = libbpf.func('int bpf_object__find_map_fd_by_name(void *obj, const char *name)');
const updateElement = libbpf.func('int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)');
const lookupElement = libbpf.func('int bpf_map_lookup_elem(int fd, const void *key, _Out_ void *value)');
const attachXdp = libbpf.func('int bpf_xdp_attach(int ifindex, int prog_fd, uint32_t flags, void *opts)');
const possibleCpus = libbpf.func('int libbpf_num_possible_cpus()');
koffi.struct('bpf_test_run_opts', {
  sz: 'size_t',
  data_in: 'void *',
  data_out: 'void *',
  data_size_in: 'uint32_t',
  data_size_out: 'uint32_t',
  ctx_in: 'void *',
  ctx_out: 'void *',
  ctx_size_in: 'uint32_t',
  ctx_size_out: 'uint32_t',
  retval: 'uint32_t',
  repeat: 'int',
  duration: 'uint32_t',
  flags: 'uint32_t',
  cpu: 'uint32_t',
  batch_size: 'uint32_t',
});
const TEST_RUN_OPTS_SIZE = koffi.sizeof('bpf_test_run_opts');
const testRun = libbpf.func('int bpf_prog_test_run_opts(int fd, _Inout_ bpf_test_run_opts *opts)');
const openCall = libc.func('int open(const char *path, int flags)');
const closeCall = libc.func('int close(int fd)');
const setnsCall = libc.func('int setns(int fd, int type)');
const nameToIndex = libc.func('unsigned int if_nametoindex(const char *name)');

const XDP_FLAGS_DRV_MODE = 4;
const BPF_F_TEST_XDP_LIVE_FRAMES = 2;
const CLONE_NEWNET = 0x4000_0000;
const KEY = Buffer.alloc(4);

/** A loaded BPF object; it lives as long as the process. */
export interface BpfObject {
  /** Returns the file descriptor of a program. Throws when there is none of that name. */
  program(name: string): number;
  /** Returns the only element of an array map. Throws when there is no map of that name. */
  map(name: string): BpfArray;
}

/** An array map of one element. */
export interface BpfArray {
  write(value: Buffer): void;
  /** Returns the element; of a per-CPU map one Buffer for each possible CPU. */
  read(): readonly Buffer[];
}

/** Loads the object file. `sizes` gives each map's value size and whether it is per CPU. Throws with errno when the kernel refuses (its log is on stderr). */
export function loadBpf(path: string, sizes: Readonly<Record<string, { readonly size: number; readonly perCpu: boolean }>>): BpfObject {
  const object: unknown = openFile(path, null);
  if (object === null) throw new Error(`libbpf cannot open ${path}: errno ${koffi.errno()}`);
  const loaded = loadObject(object) as number;
  if (loaded !== 0) throw new Error(`the kernel refused ${path}: errno ${-loaded}; the bench needs root (CAP_BPF, CAP_NET_ADMIN) and a kernel >= 5.18`);
  return {
    program: (name) => {
      const program: unknown = findProgram(object, name);
      if (program === null) throw new Error(`${path} has no program ${name}`);
      return programFd(program) as number;
    },
    map: (name) => {
      const fd = findMapFd(object, name) as number;
      const shape = sizes[name];
      if (fd < 0 || shape === undefined) throw new Error(`${path} has no map ${name}`);
      return openArray(fd, shape);
    },
  };
}

/** Attaches an XDP program to a device of the current network namespace, native mode only. Throws with errno. */
export function attachNative(device: string, program: number): void {
  const result = attachXdp(deviceIndex(device), program, XDP_FLAGS_DRV_MODE, null) as number;
  if (result !== 0) throw new Error(`native XDP on ${device} was refused: errno ${-result}; both ends of a veth pair need equal queue counts`);
}

/** Runs an XDP program `repeat` times on live frames and returns when all have run: seconds, in which this thread is in the kernel. Throws with errno. */
export function runLiveFrames(program: number, options: { frame: Buffer; repeat: number; batch: number }): void {
  const result = testRun(program, {
    sz: TEST_RUN_OPTS_SIZE,
    data_in: options.frame,
    data_out: null,
    data_size_in: options.frame.length,
    data_size_out: 0,
    ctx_in: null,
    ctx_out: null,
    ctx_size_in: 0,
    ctx_size_out: 0,
    retval: 0,
    repeat: options.repeat,
    duration: 0,
    flags: BPF_F_TEST_XDP_LIVE_FRAMES,
    cpu: 0,
    batch_size: options.batch,
  }) as number;
  if (result !== 0) throw new Error(`BPF_PROG_TEST_RUN with live frames failed: errno ${-result}`);
}

/** Moves the calling thread into a named network namespace. Throws with errno. */
export function enterNamespace(name: string): void {
  const fd = openCall(`/run/netns/${name}`, 0) as number;
  if (fd < 0) throw new Error(`cannot open network namespace ${name}: errno ${koffi.errno()}`);
  const result = setnsCall(fd, CLONE_NEWNET) as number;
  const errno = koffi.errno();
  closeCall(fd);
  if (result !== 0) throw new Error(`cannot enter network namespace ${name}: errno ${errno}`);
}

/** Returns the index of a device of the current network namespace. Throws when there is none. */
export function deviceIndex(device: string): number {
  const index = nameToIndex(device) as number;
  if (index === 0) throw new Error(`no device ${device} in this network namespace`);
  return index;
}

function openArray(fd: number, shape: { readonly size: number; readonly perCpu: boolean }): BpfArray {
  const stride = shape.perCpu ? Math.ceil(shape.size / 8) * 8 : shape.size;
  const count = shape.perCpu ? (possibleCpus() as number) : 1;
  return {
    write: (value) => {
      if (value.length !== stride * count) throw new RangeError(`the map takes ${stride * count} bytes, got ${value.length}`);
      if ((updateElement(fd, KEY, value, 0) as number) !== 0) throw new Error(`map update failed: errno ${koffi.errno()}`);
    },
    read: () => {
      const value = Buffer.alloc(stride * count);
      if ((lookupElement(fd, KEY, value) as number) !== 0) throw new Error(`map lookup failed: errno ${koffi.errno()}`);
      return Array.from({ length: count }, (_, cpu) => value.subarray(cpu * stride, cpu * stride + shape.size));
    },
  };
}
