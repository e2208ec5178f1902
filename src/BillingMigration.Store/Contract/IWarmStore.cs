namespace BillingMigration.Store;

/// <summary>A store that can do before its first call what the first calls would have to wait for.</summary>
internal interface IWarmStore
{
    /// <summary>Makes connections. Reads and writes no row.</summary>
    /// <param name="connections">How many calls at the same time are to find one.</param>
    /// <param name="writes">Also for those that write.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="MigrationException">The side cannot be reached, or refuses.</exception>
    Task WarmAsync(int connections, bool writes, CancellationToken cancellationToken);
}
