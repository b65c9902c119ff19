/**
 * Loads a package that only some configurations need.
 * @param option what needs it, as error texts call it
 * @param load an `import()` of the package, which stands where its types are known
 * @throws Error (as a rejection) with code MISSING_PACKAGE when it is not installed
 */
export async function optionalPackage<T>(option: string, name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // What that package itself misses is another matter.
    const isMissing = code?.endsWith('MODULE_NOT_FOUND') && String(error).includes(`'${name}'`);
    if (!isMissing) throw error;
    const text = `${option}: needs the package ${name}; run npm install ${name}`;
    throw Object.assign(new Error(text, { cause: error }), { code: 'MISSING_PACKAGE' });
  }
}
