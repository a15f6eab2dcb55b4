export async function engineLimits(_engine: string, _documents: { readonly [name: string]: string }): Promise<readonly string[]> {
  return [];
}
