import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.net.InetSocketAddress;
import java.util.List;

/**
 * A MongoDB-compatible server in memory, for tests, on a free port of loopback.
 * Prints its connection string once it listens; ends when it is told to or when its standard input ends.
 */
public class MongoTestServer {
  /** The driver wants wire version 9 or more, and none of the server's own versions says so. */
  private static final MongoVersion VERSION = new MongoVersion() {
    @Override public List<Integer> getVersionArray () { return List.of(5, 0, 0); }
    @Override public int getWireVersion () { return 13; }
  };

  public static void main (String[] arguments) throws Exception {
    MemoryBackend backend = new MemoryBackend();
    backend.version(VERSION);
    MongoServer server = new MongoServer(backend);
    // Change streams read the oplog.
    server.enableOplog();
    server.bind(new InetSocketAddress("127.0.0.1", 0));
    System.out.println("mongodb://127.0.0.1:" + server.getLocalAddress().getPort());
    System.out.flush();
    while (System.in.read() != -1) { /* until whoever started this is gone */ }
    server.shutdownNow();
  }
}
