/** What several tests need to read modules as text. */

/** Where a module imports from, types and re-exports included. Code in comments does not count. */
export const importsOf = (code: string): ReadonlyArray<string> =>
  [...code.matchAll(/^(?:import|export|\}) ?.*?from "([^"]+)";|^import "([^"]+)";/gm)].map(([, from, alone]) =>
    from ?? alone
  );
