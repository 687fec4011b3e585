namespace Orleans.Raft.KeyValue;

/// <summary>Whole jobs on top of <see cref="IClusterAdministration.AdministerAsync"/>.</summary>
public static class ClusterAdministrationExtensions
{
    private static readonly TimeSpan FollowInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>
    /// Sees a request through: repeats it until it is done, and tells how far it is. Cancelling stops the waiting, not
    /// what is under way; asking again goes on where it is.
    /// </summary>
    /// <param name="progress">Called when the text of what is under way changes.</param>
    /// <exception cref="AdministrationRefusedException">The cluster refused; the message says why.</exception>
    /// <exception cref="UnavailableException">The controller could not be reached.</exception>
    public static async Task<AdministrationAnswer> CompleteAsync(this IClusterAdministration administration,
        AdministrationRequest request, TimeProvider time, Action<string>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(administration);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(time);
        string? told = null;
        while (true)
        {
            AdministrationAnswer answer = await administration.AdministerAsync(request, cancellationToken);
            switch (answer.Status)
            {
                case AdministrationStatus.Done: return answer;
                case AdministrationStatus.Refused: throw new AdministrationRefusedException(answer.Text);
                case AdministrationStatus.UnderWay when answer.Text != told:
                    told = answer.Text;
                    progress?.Invoke(told);
                    break;
            }
            request = request with { IsRepeat = true };
            await Task.Delay(FollowInterval, time, cancellationToken);
        }
    }
}
