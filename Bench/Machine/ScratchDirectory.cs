namespace Orleans.Raft.Bench;

/// <summary>A new directory of its own, removed with all it holds when disposed.</summary>
internal sealed class ScratchDirectory : IDisposable
{
    private ScratchDirectory(string path) => Path = path;

    public string Path { get; }

    public static ScratchDirectory Create(string parent, string name)
    {
        string path = System.IO.Path.Combine(System.IO.Path.GetFullPath(parent),
            $"{name}-{Environment.ProcessId}-{System.IO.Path.GetRandomFileName()}");
        Directory.CreateDirectory(path);
        return new ScratchDirectory(path);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
