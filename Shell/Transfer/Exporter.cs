using System.Buffers;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>Writes the whole store into a file, by family and key.</summary>
internal sealed class Exporter(IKeyValueStore store, string path, ITransferFormat format)
{
    private const int WriteBytes = 256 * 1024;
    private const int ReportEveryRows = 256;

    /// <summary>
    /// Writes beside the file and renames when all is on disk: the file is the old one or the whole new one.
    /// </summary>
    /// <returns>The rows written.</returns>
    public async Task<long> RunAsync(IProgressSink progress, CancellationToken cancellationToken)
    {
        string temporary = $"{path}.{Path.GetRandomFileName()}.tmp";
        FileStream file = TransferFile.Create(temporary, path);
        try
        {
            long rows;
            await using (file)
            {
                rows = await WriteAsync(file, progress, cancellationToken);
                file.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
            return rows;
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private async Task<long> WriteAsync(FileStream file, IProgressSink progress, CancellationToken cancellationToken)
    {
        var buffer = new ArrayBufferWriter<byte>(WriteBytes);
        long rows = 0;
        foreach (ColumnFamily family in Families.All)
        {
            var options = new ScanOptions(family);
            await foreach (KeyValueEntry entry in store.ScanAsync(default, default, options, cancellationToken))
            {
                format.Append(buffer, new TransferRow(family, entry.Key, entry.Value));
                if (++rows % ReportEveryRows == 0) progress.Report(null, $"{rows} rows");
                if (buffer.WrittenCount < WriteBytes) continue;
                await file.WriteAsync(buffer.WrittenMemory, cancellationToken);
                buffer.ResetWrittenCount();
            }
        }
        await file.WriteAsync(buffer.WrittenMemory, cancellationToken);
        return rows;
    }
}
