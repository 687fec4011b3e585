using System.ComponentModel;
using System.Diagnostics;

namespace Orleans.Raft.Hosts;

/// <summary>Runs <c>ip</c>, <c>nft</c> and <c>tc</c>.</summary>
internal static class Tool
{
    /// <returns>What it printed.</returns>
    /// <exception cref="NetworkException">It cannot be started, or failed; the message has its words.</exception>
    public static string Run(string program, string input, params string[] arguments)
    {
        using Process process = Start(program, arguments);
        // What it says is read while it reads: neither waits for the other.
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        try
        {
            process.StandardInput.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended early; why, it says itself.
        }
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new NetworkException($"{program} {string.Join(' ', arguments)} failed: "
                + $"{errors.Result.Trim().ReplaceLineEndings("; ")}");
        return output.Result;
    }

    private static Process Start(string program, string[] arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(program, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        }
        catch (Win32Exception failure)
        {
            string package = program == "nft" ? "nftables" : "iproute2";
            throw new NetworkException($"{program} cannot be started ({failure.Message}); install {package}", failure);
        }
    }
}

/// <summary>The network of hosts cannot be made, or not changed.</summary>
public sealed class NetworkException(string message, Exception? inner = null) : Exception(message, inner);
