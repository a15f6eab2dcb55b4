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
const findMap = libbpf.func('void *bpf_object__find_map_by_name(void *obj, const char *name)');
const mapFd = libbpf.func('int bpf_map__fd(void *map)');
const mapType = libbpf.func('int bpf_map__type(void *map)');
const mapValueSize = libbpf.func('uint32_t bpf_map__value_size(void *map)');
const updateElement = libbpf.func('int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)');
const lookupElement = libbpf.func('int bpf_map_lookup_elem(int fd, const void *key, _Out_ void *value)');
const attachXdp = libbpf.func('int bpf_xdp_attach(int ifindex, int prog_fd, uint32_t flags, void *opts)');
const attachXdpLink = libbpf.func('void *bpf_program__attach_xdp(void *prog, int ifindex)');
const queryXdp = libbpf.func('int bpf_xdp_query_id(int ifindex, int flags, _Out_ uint32_t *prog_id)');
koffi.struct('bpf_tc_hook', { sz: 'size_t', ifindex: 'int', attach_point: 'int', parent: 'uint32_t' });
koffi.struct('bpf_tc_opts', { sz: 'size_t', prog_fd: 'int', flags: 'uint32_t', prog_id: 'uint32_t', handle: 'uint32_t', priority: 'uint32_t' });
const createTcHook = libbpf.func('int bpf_tc_hook_create(_Inout_ bpf_tc_hook *hook)');
const attachTc = libbpf.func('int bpf_tc_attach(const bpf_tc_hook *hook, _Inout_ bpf_tc_opts *opts)');
const programFdById = libbpf.func('int bpf_prog_get_fd_by_id(uint32_t id)');
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
interface TestRunOptions {
  sz: number;
  data_in: Buffer | null;
  data_out: Buffer | null;
  data_size_in: number;
  data_size_out: number;
  ctx_in: Buffer | null;
  ctx_out: Buffer | null;
  ctx_size_in: number;
  ctx_size_out: number;
  retval: number;
  repeat: number;
  duration: number;
  flags: number;
  cpu: number;
  batch_size: number;
}
const TEST_RUN_OPTS_SIZE = koffi.sizeof('bpf_test_run_opts');
const testRun = libbpf.func('int bpf_prog_test_run_opts(int fd, _Inout_ bpf_test_run_opts *opts)');
const openCall = libc.func('int open(const char *path, int flags)');
const closeCall = libc.func('int close(int fd)');
const setnsCall = libc.func('int setns(int fd, int type)');
const nameToIndex = libc.func('unsigned int if_nametoindex(const char *name)');

const XDP_FLAGS_DRV_MODE = 4;
const BPF_TC_INGRESS = 1;
const BPF_F_TEST_XDP_LIVE_FRAMES = 2;
const CLONE_NEWNET = 0x4000_0000;
const PERCPU_ARRAY = 6;
/** A program may make its packet longer (a tunnel). */
const OUTPUT_ROOM = 256;

/** A loaded BPF object; it lives as long as the process. */
export interface BpfObject {
  /** Returns the file descriptor of a program. Throws when there is none of that name. */
  program(name: string): number;
  /** Attaches a program to a device of the current network namespace, native mode, until the process ends, however it ends. Throws with errno. */
  attach(name: string, device: string): void;
  /** Returns an array map. Throws when there is no map of that name. */
  map(name: string): BpfArray;
}

/** An array map; `index` is 0 unless given. */
export interface BpfArray {
  write(value: Buffer, index?: number): void;
  /** Returns one element; of a per-CPU map one Buffer for each possible CPU. */
  read(index?: number): readonly Buffer[];
}

/** Loads the object file. Throws with errno when the kernel refuses (its log is on stderr). */
export function loadBpf(path: string): BpfObject {
  const object: unknown = openFile(path, null);
  if (object === null) throw new Error(`libbpf cannot open ${path}: errno ${koffi.errno()}`);
  const loaded = loadObject(object) as number;
  if (loaded !== 0) throw new Error(`the kernel refused ${path}: errno ${-loaded}; the bench needs root (CAP_BPF, CAP_NET_ADMIN) and a kernel >= 5.18`);
  const find = (name: string): unknown => {
    const program: unknown = findProgram(object, name);
    if (program === null) throw new Error(`${path} has no program ${name}`);
    return program;
  };
  return {
    program: (name) => programFd(find(name)) as number,
    attach: (name, device) => {
      // A link: the kernel lets go of it with the process. It takes native mode wherever the driver has one, and refuses rather than fall back.
      const link: unknown = attachXdpLink(find(name), deviceIndex(device));
      if (link === null) throw refusedNative(device, koffi.errno());
    },
    map: (name) => {
      const map: unknown = findMap(object, name);
      if (map === null) throw new Error(`${path} has no map ${name}`);
      return openArray(mapFd(map) as number, { size: mapValueSize(map) as number, perCpu: mapType(map) === PERCPU_ARRAY });
    },
  };
}

/** Attaches an XDP program to a device of the current network namespace, native mode only. Throws with errno. */
export function attachNative(device: string, program: number): void {
  const result = attachXdp(deviceIndex(device), program, XDP_FLAGS_DRV_MODE, null) as number;
  if (result !== 0) throw refusedNative(device, -result);
}

/** Attaches a classifier of tc to what a device of the current network namespace receives; it goes with the device. Throws with errno. */
export function attachIngress(device: string, program: number): void {
  const hook = { sz: koffi.sizeof('bpf_tc_hook'), ifindex: deviceIndex(device), attach_point: BPF_TC_INGRESS, parent: 0 };
  const opts = { sz: koffi.sizeof('bpf_tc_opts'), prog_fd: program, flags: 0, prog_id: 0, handle: 0, priority: 0 };
  const result = (createTcHook(hook) as number) || (attachTc(hook, opts) as number);
  if (result !== 0) throw new Error(`a classifier on ${device} was refused: errno ${-result}; the kernel needs CONFIG_NET_CLS_ACT and CONFIG_NET_CLS_BPF`);
}

/** Returns a file descriptor of the XDP program that runs natively on a device of the current network namespace. Throws when there is none. */
export function attachedProgram(device: string): number {
  const id = [0];
  const result = queryXdp(deviceIndex(device), XDP_FLAGS_DRV_MODE, id) as number;
  if (result !== 0 || !id[0]) throw new Error(`no native XDP program runs on ${device}${result === 0 ? '' : `: errno ${-result}`}`);
  const fd = programFdById(id[0]) as number;
  if (fd < 0) throw new Error(`cannot open BPF program ${id[0]} of ${device}: errno ${koffi.errno()}`);
  return fd;
}

/** What one call of BPF_PROG_TEST_RUN said. `packet` is what the last pass left of it. */
export interface TestRun {
  readonly verdict: number;
  /** Mean of a pass, whole ns as the kernel rounds it. */
  readonly ns: number;
  readonly packet: Buffer;
}

/** Runs an XDP program `repeat` times on one buffer, as if it came in by `ingress`; nothing is sent. Every pass sees what the one before left. Throws with errno. */
export function runPacket(program: number, options: { packet: Buffer; ingress: number; repeat: number }): TestRun {
  const { packet, ingress, repeat } = options;
  const out = Buffer.alloc(packet.length + OUTPUT_ROOM);
  // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
  const context = Buffer.alloc(24);
  context.writeUInt32LE(packet.length, 4);
  context.writeUInt32LE(ingress, 12);
  const opts = testRunOptions({ data_in: packet, data_size_in: packet.length, data_out: out, data_size_out: out.length, ctx_in: context, ctx_size_in: context.length, repeat });
  const result = testRun(program, opts) as number;
  if (result !== 0) throw new Error(`BPF_PROG_TEST_RUN failed: errno ${-result}`);
  return { verdict: opts.retval, ns: opts.duration, packet: out.subarray(0, opts.data_size_out) };
}

/** Runs an XDP program `repeat` times on live frames and returns when all have run: seconds, in which this thread is in the kernel. Throws with errno. */
export function runLiveFrames(program: number, options: { frame: Buffer; repeat: number; batch: number }): void {
  const { frame, repeat, batch } = options;
  const opts = testRunOptions({ data_in: frame, data_size_in: frame.length, repeat, flags: BPF_F_TEST_XDP_LIVE_FRAMES, batch_size: batch });
  const result = testRun(program, opts) as number;
  if (result !== 0) throw new Error(`BPF_PROG_TEST_RUN with live frames failed: errno ${-result}`);
}

/** Moves the calling thread into a named network namespace. Throws with errno. */
export function enterNamespace(name: string): void {
  enter(openNamespace(`/run/netns/${name}`), name);
}

/** The same; returns what moves the thread back to where it was. */
export function visitNamespace(name: string): () => void {
  const home = openNamespace('/proc/thread-self/ns/net');
  enterNamespace(name);
  return () => enter(home, 'it came from');
}

function openNamespace(path: string): number {
  const fd = openCall(path, 0) as number;
  if (fd < 0) throw new Error(`cannot open network namespace ${path}: errno ${koffi.errno()}`);
  return fd;
}

/** Closes `fd`, too. */
function enter(fd: number, name: string): void {
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

function refusedNative(device: string, errno: number): Error {
  return new Error(`native XDP on ${device} was refused: errno ${errno}; both ends of a veth pair need equal queue counts`);
}

function testRunOptions(fields: Partial<TestRunOptions>): TestRunOptions {
  return {
    sz: TEST_RUN_OPTS_SIZE,
    data_in: null,
    data_out: null,
    data_size_in: 0,
    data_size_out: 0,
    ctx_in: null,
    ctx_out: null,
    ctx_size_in: 0,
    ctx_size_out: 0,
    retval: 0,
    repeat: 1,
    duration: 0,
    flags: 0,
    cpu: 0,
    batch_size: 0,
    ...fields,
  };
}

function openArray(fd: number, shape: { readonly size: number; readonly perCpu: boolean }): BpfArray {
  const stride = shape.perCpu ? Math.ceil(shape.size / 8) * 8 : shape.size;
  const count = shape.perCpu ? (possibleCpus() as number) : 1;
  const key = Buffer.alloc(4);
  return {
    write: (value, index = 0) => {
      if (value.length !== stride * count) throw new RangeError(`the map takes ${stride * count} bytes, got ${value.length}`);
      key.writeUInt32LE(index);
      if ((updateElement(fd, key, value, 0) as number) !== 0) throw new Error(`map update failed: errno ${koffi.errno()}`);
    },
    read: (index = 0) => {
      const value = Buffer.alloc(stride * count);
      key.writeUInt32LE(index);
      if ((lookupElement(fd, key, value) as number) !== 0) throw new Error(`map lookup failed: errno ${koffi.errno()}`);
      return Array.from({ length: count }, (_, cpu) => value.subarray(cpu * stride, cpu * stride + shape.size));
    },
  };
}
