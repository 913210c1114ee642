/**
 * The queries that look at one bid at a time, by hand.
 *
 * @module
 */
import type { MakeLoop } from "./loop.ts";

const end = (): void => {};

export const q0: MakeLoop = (emit) => ({ bid: emit, end });

export const q1: MakeLoop = (emit) => ({
  bid: ({ auction, bidder, price, dateTime, extra }) => emit({ auction, bidder, price: price * 908, dateTime, extra }),
  end,
});

export const q2: MakeLoop = (emit) => ({
  bid: ({ auction, price }) => {
    if (auction % 123 === 0) emit({ auction, price });
  },
  end,
});

const hourMillis = 3_600_000;

export const q14: MakeLoop = (emit) => ({
  bid: ({ auction, bidder, price: cents, dateTime, extra }) => {
    const price = cents * 908;
    if (price <= 1_000_000_000 || price >= 50_000_000_000) return;
    const hour = Math.floor(dateTime / hourMillis) % 24;
    const bidTimeType = hour >= 8 && hour <= 18 ? "dayTime" : hour <= 6 || hour >= 20 ? "nightTime" : "otherTime";
    let cCounts = 0;
    for (let at = extra.indexOf("c"); at >= 0; at = extra.indexOf("c", at + 1)) cCounts++;
    emit({ auction, bidder, price, bidTimeType, dateTime, extra, cCounts });
  },
  end,
});

const hotIds: { readonly [channel: string]: string } = { apple: "0", google: "1", facebook: "2", baidu: "3" };

export const q21: MakeLoop = (emit) => ({
  bid: ({ auction, bidder, price, channel, url }) => {
    const channelId = hotIds[channel.toLowerCase()] ?? /(?:&|^)channel_id=([^&]*)/.exec(url)?.[1];
    if (channelId !== undefined) emit({ auction, bidder, price, channel, channelId });
  },
  end,
});

export const q22: MakeLoop = (emit) => ({
  bid: ({ auction, bidder, price, channel, url }) => {
    const [, , , dir1, dir2, dir3] = url.split("/");
    emit({ auction, bidder, price, channel, dir1, dir2, dir3 });
  },
  end,
});
