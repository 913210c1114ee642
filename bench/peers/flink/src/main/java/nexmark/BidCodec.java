package nexmark;

import java.io.IOException;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** The bytes of a whole bid. */
public final class BidCodec extends Codec<Bid> {
  private static final long serialVersionUID = 1;

  static final BidCodec INSTANCE = new BidCodec();
  static final TypeInformation<Bid> TYPE = INSTANCE.type(Bid.class);

  @Override
  void write(Bid bid, DataOutputView out) throws IOException {
    out.writeLong(bid.auction);
    out.writeLong(bid.bidder);
    out.writeLong(bid.price);
    writeText(bid.channel, out);
    writeText(bid.url, out);
    out.writeLong(bid.dateTime);
    writeText(bid.extra, out);
  }

  @Override
  Bid read(DataInputView in) throws IOException {
    Bid bid = new Bid();
    bid.auction = in.readLong();
    bid.bidder = in.readLong();
    bid.price = in.readLong();
    bid.channel = readText(in);
    bid.url = readText(in);
    bid.dateTime = in.readLong();
    bid.extra = readText(in);
    return bid;
  }
}
