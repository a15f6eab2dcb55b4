/**
 * Fields of the shared structs in memory that the BPF program uses at the same time: whole aligned words are read and written as one,
 * fields below a word through a DataView (nothing but the control plane writes those, or only when nobody reads them). Little-endian
 * machines only; `_be` fields keep the network's byte order, whatever way they are read.
 */
import { place, WIDTH, type Placed } from './abi/layout.ts';
import type { StructSpec } from './abi/spec.ts';

/** An array of one struct, in a map's memory or a Buffer. Throws RangeError for a field or an index that is not there. */
export interface Structs {
  readonly spec: StructSpec;
  readonly count: number;
  /** Returns a field (of up to 32 bits) as an unsigned number. `at`: element of an array field. */
  get(index: number, field: string, at?: number): number;
  /** Writes a field as one store; returns whether it changed. */
  set(index: number, field: string, value: number, at?: number): boolean;
  get64(index: number, field: string, at?: number): bigint;
  set64(index: number, field: string, value: bigint, at?: number): boolean;
  /** Returns the bytes of an element, not a copy. */
  bytes(index: number): Uint8Array;
  /** Writes zeroes over an element, but for its first word last: whoever reads a state there sees it go at the end. */
  clear(index: number): void;
}

/** Returns the structs that lie in `memory` from `offset`, `stride` bytes apart (default: their size). */
export function structs(spec: StructSpec, memory: ArrayBufferLike, options: { readonly offset?: number; readonly count?: number; readonly stride?: number } = {}): Structs {
  const { offset = 0, stride = spec.size } = options;
  const count = options.count ?? Math.floor((memory.byteLength - offset) / stride);
  const fields = new Map<string, Placed>(place(spec).map((field) => [field.name, field]));
  const view = new DataView(memory);
  const words = new Uint32Array(memory, 0, memory.byteLength >> 2);
  const doubles = new BigUint64Array(memory, 0, memory.byteLength >> 3);

  const locate = (index: number, name: string, at: number): { readonly place: number; readonly width: number } => {
    const field = fields.get(name);
    if (field === undefined) throw new RangeError(`struct ${spec.name} has no field ${name}`);
    if (!(index >= 0 && index < count) || !(at >= 0 && at < (field.count ?? 1))) throw new RangeError(`${spec.name}[${index}].${name}[${at}] is out of range`);
    const width = WIDTH[field.type];
    return { place: offset + index * stride + field.offset + at * width, width };
  };
  const one: Structs = {
    spec, count,
    get(index, name, at = 0) {
      const { place: byte, width } = locate(index, name, at);
      if (width === 4) return Atomics.load(words, byte >> 2);
      if (width === 2) return view.getUint16(byte, true);
      if (width === 1) return view.getUint8(byte);
      throw new RangeError(`${spec.name}.${name} has 64 bits`);
    },
    set(index, name, value, at = 0) {
      if (one.get(index, name, at) === value >>> 0) return false;
      const { place: byte, width } = locate(index, name, at);
      if (width === 4) Atomics.store(words, byte >> 2, value >>> 0);
      else if (width === 2) view.setUint16(byte, value, true);
      else view.setUint8(byte, value);
      return true;
    },
    get64(index, name, at = 0) {
      const { place: byte, width } = locate(index, name, at);
      if (width !== 8) throw new RangeError(`${spec.name}.${name} has not 64 bits`);
      return Atomics.load(doubles, byte >> 3);
    },
    set64(index, name, value, at = 0) {
      if (one.get64(index, name, at) === value) return false;
      Atomics.store(doubles, locate(index, name, at).place >> 3, value);
      return true;
    },
    bytes(index) {
      if (!(index >= 0 && index < count)) throw new RangeError(`${spec.name}[${index}] is out of range`);
      return new Uint8Array(memory, offset + index * stride, spec.size);
    },
    clear(index) {
      const bytes = one.bytes(index);
      bytes.fill(0, 4);
      bytes.fill(0, 0, 4);
    },
  };
  return one;
}

/** Returns a field's offset in 32-bit words, for loops over many records. Throws RangeError when it does not begin at one. */
export function wordOf(spec: StructSpec, name: string): number {
  const field = place(spec).find((f) => f.name === name);
  if (field === undefined || field.offset % 4 !== 0) throw new RangeError(`struct ${spec.name}: ${name} is not at a word`);
  return field.offset / 4;
}

/** Returns a Buffer that holds one struct with these fields, all others zero. */
export function encode(spec: StructSpec, values: Readonly<Record<string, number | readonly number[]>>): Buffer {
  const buffer = Buffer.from(new ArrayBuffer(spec.size));
  const view = structs(spec, buffer.buffer);
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === 'number') view.set(0, name, value);
    else value.forEach((element, at) => view.set(0, name, element, at));
  }
  return buffer;
}
