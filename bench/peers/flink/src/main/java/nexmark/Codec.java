package nexmark;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * The bytes of a class between tasks and in the state, written field by field. That is faster than Flink's own serializer
 * of plain objects, which goes by reflection. Records are not changed once they are emitted, so that none is copied;
 * what a state changes says how it is copied.
 */
abstract class Codec<T> extends TypeSerializerSingleton<T> {
  private static final long serialVersionUID = 1;

  abstract void write(T value, DataOutputView out) throws IOException;

  abstract T read(DataInputView in) throws IOException;

  /** Writes a text whose characters are a byte each. */
  static void writeText(String text, DataOutputView out) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    out.writeInt(bytes.length);
    out.write(bytes);
  }

  static String readText(DataInputView in) throws IOException {
    byte[] bytes = new byte[in.readInt()];
    in.readFully(bytes);
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  @Override
  public T copy(T from) {
    return from;
  }

  @Override
  public final boolean isImmutableType() {
    return false;
  }

  @Override
  public final T createInstance() {
    return null;
  }

  @Override
  public final T copy(T from, T reuse) {
    return copy(from);
  }

  @Override
  public final int getLength() {
    return -1;
  }

  @Override
  public final void serialize(T value, DataOutputView out) throws IOException {
    write(value, out);
  }

  @Override
  public final T deserialize(DataInputView in) throws IOException {
    return read(in);
  }

  @Override
  public final T deserialize(T reuse, DataInputView in) throws IOException {
    return read(in);
  }

  @Override
  public final void copy(DataInputView in, DataOutputView out) throws IOException {
    write(read(in), out);
  }

  @Override
  public final TypeSerializerSnapshot<T> snapshotConfiguration() {
    return new CodecSnapshot<>(this);
  }

  /** The type of a class, for whoever asks for one. */
  final TypeInformation<T> type(Class<T> of) {
    return new Type<>(of, this);
  }

  private static final class Type<T> extends TypeInformation<T> {
    private static final long serialVersionUID = 1;

    private final Class<T> of;
    private final Codec<T> codec;

    Type(Class<T> of, Codec<T> codec) {
      this.of = of;
      this.codec = codec;
    }

    @Override
    public boolean isBasicType() {
      return false;
    }

    @Override
    public boolean isTupleType() {
      return false;
    }

    @Override
    public int getArity() {
      return 1;
    }

    @Override
    public int getTotalFields() {
      return 1;
    }

    @Override
    public Class<T> getTypeClass() {
      return of;
    }

    @Override
    public boolean isKeyType() {
      return true;
    }

    @Override
    public TypeSerializer<T> createSerializer(SerializerConfig config) {
      return codec;
    }

    @Override
    public String toString() {
      return of.getSimpleName();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Type<?> type && type.of == of;
    }

    @Override
    public int hashCode() {
      return of.hashCode();
    }

    @Override
    public boolean canEqual(Object other) {
      return other instanceof Type<?>;
    }
  }
}
