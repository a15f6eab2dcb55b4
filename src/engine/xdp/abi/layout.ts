/** Where each field of a struct lies: natural alignment, no implicit padding. */
import type { Field, Scalar, StructSpec } from './spec.ts';

export const WIDTH: Readonly<Record<Scalar, number>> = { u8: 1, u16: 2, u32: 4, u64: 8 };

/** A field and its offset in bytes. */
export interface Placed extends Field {
  readonly offset: number;
}

/** Returns the fields with their offsets. Throws RangeError when a field is not aligned or the sizes do not add up: padding is always a named field. */
export function place(spec: StructSpec): readonly Placed[] {
  let offset = 0;
  const placed = spec.fields.map((field): Placed => {
    const width = WIDTH[field.type];
    if (offset % width !== 0) throw new RangeError(`struct ${spec.name}: ${field.name} at ${offset} is not aligned to ${width}`);
    const at = offset;
    offset += width * (field.count ?? 1);
    return { ...field, offset: at };
  });
  if (offset !== spec.size) throw new RangeError(`struct ${spec.name}: its fields take ${offset} bytes, its size is ${spec.size}`);
  return placed;
}

/** Returns the offset in bytes of a field by its name. Throws RangeError when the struct has none of it. */
export function offsetOf(spec: StructSpec, name: string): number {
  const field = place(spec).find((one) => one.name === name);
  if (field === undefined) throw new RangeError(`struct ${spec.name} has no field ${name}`);
  return field.offset;
}
