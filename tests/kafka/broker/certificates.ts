/**
 * A certificate for loopback and the authority that vouches for it, made by Java's `keytool` once and kept.
 *
 * @module
 */
import { alone, ask, missing, modifiedMillis, target, textOf } from "./kafka.ts";

/** What a server and its clients need for TLS. */
export interface Certificates {
  /** The server's key and certificates. */
  readonly keyStore: { readonly path: string; readonly password: string };
  /** The authority's certificate as PEM, which clients are to trust. */
  readonly caCertificate: string;
}

/** It protects nothing: it lies beside what it opens. */
const password = "weir-tests";

const daysValid = 3_650;

const keytool = async (...args: ReadonlyArray<string>): Promise<void> => {
  const output = await ask("keytool", args);
  if (output === null) throw missing("keytool");
  if (!output.success) throw new Error(`keytool could not make certificates:\n${textOf(output)}`);
};

/**
 * The certificates of every broker of these tests.
 *
 * @throws {BrokerUnavailable} If Java has no `keytool`
 */
export const certificates = async (): Promise<Certificates> => {
  const kept = `${target}/tls`;
  await alone("certificates", async () => {
    if (await modifiedMillis(`${kept}/ca.pem`) > 0) return;
    await Deno.mkdir(kept, { recursive: true });
    const path = `${kept}/keys.p12`;
    if (await modifiedMillis(path) > 0) await Deno.remove(path);
    const store = ["-keystore", path, "-storetype", "PKCS12", "-storepass", password];
    const pair = [...store, "-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", `${daysValid}`];
    await keytool(...pair, "-alias", "ca", "-dname", "CN=Weir tests CA", "-ext", "bc:c", "-ext", "ku:c=keyCertSign");
    await keytool(
      ...[...pair, "-alias", "server", "-signer", "ca", "-dname", "CN=127.0.0.1"],
      ...["-ext", "san=ip:127.0.0.1,dns:localhost", "-ext", "eku=serverAuth"],
    );
    await keytool(...store, "-exportcert", "-rfc", "-alias", "ca", "-file", `${kept}/ca.new`);
    // A server that holds the authority's key as well might show that certificate for its own.
    await keytool(...store, "-delete", "-alias", "ca");
    await Deno.rename(`${kept}/ca.new`, `${kept}/ca.pem`);
  });
  return {
    keyStore: { path: `${kept}/keys.p12`, password },
    caCertificate: await Deno.readTextFile(`${kept}/ca.pem`),
  };
};
