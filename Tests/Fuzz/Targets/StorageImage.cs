using System.Text;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Fuzz;

/// <summary>The files of a data directory as one input: number of the history they come from (1), whether checksums
/// were recomputed (1), number of files (1), and per file the lengths of path (1), of its bytes up to the last that is
/// not zero (4) and of zeros behind (4), path, bytes.</summary>
internal sealed class StorageImage
{
    public byte History { get; set; }

    public bool IsRepaired { get; set; }

    public SortedDictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    public static StorageImage Of(SimulatedDisk disk, byte history)
    {
        var image = new StorageImage { History = history };
        foreach (string path in disk.Files)
            if (path != "lock") image.Files[path] = disk.ReadAll(path);
        return image;
    }

    public byte[] Encode()
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write(History);
        writer.Write(IsRepaired);
        writer.Write((byte)Files.Count);
        foreach ((string path, byte[] content) in Files)
        {
            int used = content.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
            byte[] name = Encoding.UTF8.GetBytes(path);
            writer.Write((byte)name.Length);
            writer.Write(used);
            writer.Write(content.Length - used);
            writer.Write(name);
            writer.Write(content, 0, used);
        }
        writer.Flush();
        return bytes.ToArray();
    }

    /// <summary>Null if the bytes are no image.</summary>
    public static StorageImage? Decode(byte[] input)
    {
        const int MostBytes = 1 << 20;
        using var reader = new BinaryReader(new MemoryStream(input));
        try
        {
            var image = new StorageImage { History = reader.ReadByte(), IsRepaired = reader.ReadBoolean() };
            for (int left = reader.ReadByte(); left > 0; left--)
            {
                int nameLength = reader.ReadByte(), used = reader.ReadInt32(), zeros = reader.ReadInt32();
                if (used < 0 || zeros < 0 || used > input.Length || zeros > MostBytes) return null;
                string path = Encoding.UTF8.GetString(reader.ReadBytes(nameLength));
                byte[] content = new byte[used + zeros];
                if (reader.Read(content, 0, used) != used || path.Length == 0) return null;
                image.Files[path] = content;
            }
            return image;
        }
        catch (EndOfStreamException)
        {
            return null;
        }
    }

    public SimulatedDisk ToDisk()
    {
        var disk = new SimulatedDisk();
        disk.CreateDirectoryAsync("log").AsTask().GetAwaiter().GetResult();
        disk.CreateDirectoryAsync("snapshots").AsTask().GetAwaiter().GetResult();
        foreach ((string path, byte[] content) in Files) disk.WriteAll(path, content);
        return disk;
    }
}
