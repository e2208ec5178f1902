namespace BillingMigration.Control;

/// <summary>The right to do a job, renewed in the background until disposed. Its epoch grows with every holder and fences late writers.</summary>
public sealed class Lease : IAsyncDisposable
{
    public required string Job { get; init; }

    public required long Epoch { get; init; }

    /// <summary>Cancelled when the lease could not be renewed in time or was taken by another worker.</summary>
    public CancellationToken Lost => throw new NotSupportedException();

    public ValueTask DisposeAsync() => throw new NotSupportedException();
}
