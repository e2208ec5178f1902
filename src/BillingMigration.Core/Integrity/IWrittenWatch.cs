using BillingMigration.Source;

namespace BillingMigration.Integrity;

/// <summary>Knows what of the changes of the side that applications work on is on the other side.</summary>
internal interface IWrittenWatch
{
    /// <summary>True when applications work on the table, and its changes are written back to the source.</summary>
    bool TableLeads { get; }

    /// <summary>Waits until every change that was made before the call is on the other side, as long as that comes nearer.</summary>
    /// <param name="position">Of the source, at the call.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>False when it has stood still for too long.</returns>
    Task<bool> WaitWrittenAsync(SourcePosition position, CancellationToken cancellationToken);

    /// <summary>Why what differs is not decided when it stands still.</summary>
    /// <param name="position">That was waited for.</param>
    string StandsStill(SourcePosition position);
}
