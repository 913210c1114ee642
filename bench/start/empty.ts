/** Nothing: what `deno run` itself takes. */
console.log("result");
