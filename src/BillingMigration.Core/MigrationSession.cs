using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration;

/// <summary>An open migration: the definition with a way to the source, the target and the control table. What every job works on.</summary>
public sealed class MigrationSession : IAsyncDisposable
{
    private readonly SharedCipher cipher;

    private MigrationSession(MigrationDefinition definition, SourceConnections source, TargetConnection target, RetryPolicy retry, TimeProvider time, SharedCipher cipher)
    {
        this.cipher = cipher;
        Definition = definition;
        Source = source;
        Target = target;
        Retry = retry;
        Time = time;
        Control = new ControlTable(target.Client, definition.Target.ControlTableName, definition.Name, time, retry, new LeaseOptions { GiveUpAfter = retry.GiveUpAfter });
    }

    public MigrationDefinition Definition { get; }

    public SourceConnections Source { get; }

    public TargetConnection Target { get; }

    public ControlTable Control { get; }

    public TimeProvider Time { get; }

    /// <summary>How long and how patiently both sides are tried again.</summary>
    public RetryPolicy Retry { get; }

    /// <summary>Opens both sides and proves that each answers, before any job starts.</summary>
    /// <exception cref="MigrationException">The source or the target cannot be reached, or refuses.</exception>
    public static Task<MigrationSession> ConnectAsync(
        MigrationDefinition definition, SourceCredential credential, TargetAccess access, TimeProvider time, CancellationToken cancellationToken) =>
        ConnectAsync(definition, credential, access, new RetryPolicy { GiveUpAfter = Patience(definition.Throttle.OutageMinutes) }, time, cancellationToken);

    internal static async Task<MigrationSession> ConnectAsync(
        MigrationDefinition definition, SourceCredential credential, TargetAccess access, RetryPolicy retry, TimeProvider time, CancellationToken cancellationToken)
    {
        var target = await TargetConnection.OpenAsync(definition, access, cancellationToken);
        try
        {
            var source = await SourceConnections.OpenAsync(definition, credential, cancellationToken);
            return new MigrationSession(definition, source, target, retry, time, new SharedCipher(new DataKey(target, definition, time)));
        }
        catch
        {
            await target.DisposeAsync();
            throw;
        }
    }

    /// <summary>Compares the definition with the tables that the source has now.</summary>
    /// <returns>What fits and deserves a look.</returns>
    /// <exception cref="MigrationException">It does not fit: <c>DefinitionDoesNotFitSource</c>, <c>SourceTableNotFound</c>, <c>SystemVersionedTable</c>.</exception>
    public Task<ImmutableArray<DefinitionProblem>> RequireFitAsync(CancellationToken cancellationToken) => SourceErrors.NameBrokenAsync(
        Source.Source,
        async () =>
        {
            await using var connection = await Source.OpenConnectionAsync(cancellationToken);
            return (await DefinitionFit.RequireAsync(connection, Definition, cancellationToken)).Warnings;
        },
        cancellationToken);

    /// <summary>What encrypts the definition's columns; KMS is asked once a session, and for each key that comes later. Null: none is encrypted.</summary>
    /// <exception cref="MigrationException"><c>DataKeyMissing</c>, <c>KmsKeyUnusable</c>, <c>KmsUnreachable</c>, <c>AccessDenied</c>.</exception>
    internal Task<AttributeCipher?> CipherAsync(CancellationToken cancellationToken) => cipher.GetAsync(cancellationToken);

    /// <summary>
    /// The same for what only compares: all of the session's comparisons encrypt with one key, also while the keys rotate, so that what was seen by one is
    /// comparable with what another sees.
    /// </summary>
    internal Task<AttributeCipher?> ComparingCipherAsync(CancellationToken cancellationToken) => cipher.GetPinnedAsync(cancellationToken);

    /// <summary>The same session for a job that waits out any outage. It is this one that is disposed.</summary>
    internal MigrationSession WithoutLimit() => new(Definition, Source, Target, Retry with { GiveUpAfter = TimeSpan.MaxValue }, Time, cipher);

    private static TimeSpan Patience(double minutes) => minutes >= TimeSpan.MaxValue.TotalMinutes ? TimeSpan.MaxValue : TimeSpan.FromMinutes(minutes);

    public async ValueTask DisposeAsync()
    {
        cipher.Dispose();
        await Source.DisposeAsync();
        await Target.DisposeAsync();
    }

    /// <summary>Asked for once, by whichever job is first; not kept when that fails.</summary>
    private sealed class SharedCipher(DataKey key) : IDisposable
    {
        private readonly SemaphoreSlim one = new(1);
        private AttributeCipher? known;
        private AttributeCipher? pinned;

        public async Task<AttributeCipher?> GetAsync(CancellationToken cancellationToken)
        {
            await one.WaitAsync(cancellationToken);
            try
            {
                return known ??= await key.OpenAsync(cancellationToken);
            }
            finally
            {
                one.Release();
            }
        }

        public async Task<AttributeCipher?> GetPinnedAsync(CancellationToken cancellationToken)
        {
            var cipher = await GetAsync(cancellationToken);
            lock (one)
            {
                return pinned = pinned is not null && cipher!.Ring.Keys.ContainsKey(pinned.Number) ? pinned : cipher?.Pinned();
            }
        }

        public void Dispose() => one.Dispose();
    }
}
