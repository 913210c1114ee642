package nexmark;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSchemaCompatibility;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Which codec wrote a state: its class, which has no fields. */
public final class CodecSnapshot<T> implements TypeSerializerSnapshot<T> {
  private Codec<T> codec;

  /** Made by Flink as it reads a checkpoint. */
  public CodecSnapshot() {}

  CodecSnapshot(Codec<T> codec) {
    this.codec = codec;
  }

  @Override
  public int getCurrentVersion() {
    return 1;
  }

  @Override
  public void writeSnapshot(DataOutputView out) throws IOException {
    out.writeUTF(codec.getClass().getName());
  }

  @Override
  @SuppressWarnings("unchecked")
  public void readSnapshot(int version, DataInputView in, ClassLoader loader) throws IOException {
    try {
      codec = (Codec<T>) Class.forName(in.readUTF(), true, loader).getDeclaredConstructor().newInstance();
    } catch (ReflectiveOperationException error) {
      throw new IOException(error);
    }
  }

  @Override
  public TypeSerializer<T> restoreSerializer() {
    return codec;
  }

  @Override
  public TypeSerializerSchemaCompatibility<T> resolveSchemaCompatibility(TypeSerializerSnapshot<T> old) {
    return old instanceof CodecSnapshot<T> other && other.codec.getClass() == codec.getClass()
        ? TypeSerializerSchemaCompatibility.compatibleAsIs()
        : TypeSerializerSchemaCompatibility.incompatible();
  }
}
