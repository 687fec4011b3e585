namespace Orleans.Raft.Bench;

/// <summary>etcd, or the way to it, refused a call.</summary>
/// <param name="status">The gRPC status; -1 if the answer was no gRPC answer.</param>
internal sealed class EtcdException(int status, string message) : Exception(message)
{
    public int Status { get; } = status;
}
