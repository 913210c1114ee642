/**
 * Ports on loopback for servers of tests.
 *
 * @module
 */

/** The only address that anything here listens on. */
export const loopback = "127.0.0.1";

/**
 * Where ports are looked for: below those that systems hand out to outgoing connections, so that no client gets the
 * port of a broker that is down for a moment, and none ends up connected to itself.
 */
const portMin = 20_000;
const portMax = 31_999;

/** How many ports are tried before it is given up. */
const triesMax = 100;

/** Whether nobody listens on a port of loopback. */
export const isFree = (port: number): boolean => {
  try {
    Deno.listen({ hostname: loopback, port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
};

/** A port of loopback on which nobody listens. It is not reserved: whoever comes first has it. */
export const freePort = (): number => {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin + 1));
    if (isFree(port)) return port;
  }
  throw new Error(`Cannot find a free port as ${triesMax} were tried: current range is ${portMin} to ${portMax}`);
};
