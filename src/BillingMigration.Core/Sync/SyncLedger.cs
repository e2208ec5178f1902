using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Changes;

namespace BillingMigration.Sync;

/// <summary>What is written, what of that is saved as the checkpoint, and what may be said of it. Thread-safe; checkpoints are saved one after the other.</summary>
internal sealed class SyncLedger : IDisposable
{
    private static readonly TimeSpan LastCheckpointTimeout = TimeSpan.FromMilliseconds(600);

    private readonly MigrationSession session;
    private readonly Lease lease;
    private readonly SyncCheckpoint first;
    private readonly BillingModel model;
    private readonly SyncMeter meter;
    private readonly object guard = new();
    private readonly SemaphoreSlim saving = new(1);
    private readonly List<SetAsideRow> unsaved = [];
    private readonly List<SetAsideRow> refused = [];
    private readonly HashSet<EntityModel> setAside;
    private readonly HashSet<EntityModel> toCompare;
    private readonly HashSet<EntityModel> comparing = [];
    private readonly Dictionary<EntityModel, UntoldChange> causes = [];
    private readonly List<UntoldChange> untold = [];
    private SourcePosition boundAt;
    private StreamPoint applied;
    private SourcePosition? horizon;
    private bool passedSnapshot;
    private bool hasPart;
    private bool isReadingAgain;
    private bool isWriting;
    private long asked;
    private (StreamPoint Point, SyncState State, long Asked)? saved;

    /// <param name="boundAt">The schema was read behind it.</param>
    /// <param name="entitiesSetAside">Entities of which some row was set aside: it is in the source, and not in the table.</param>
    public SyncLedger(MigrationSession session, Lease lease, SyncCheckpoint first, SourcePosition boundAt, BillingModel model, IEnumerable<string> entitiesSetAside, SyncMeter meter)
    {
        this.session = session;
        this.lease = lease;
        this.first = first;
        this.boundAt = boundAt;
        this.model = model;
        this.meter = meter;
        applied = new StreamPoint(first.Seen ?? first.Position, first.Position);
        (horizon, passedSnapshot) = (first.Horizon, first.PassedSnapshot);
        setAside = [.. model.Entities.Where(e => entitiesSetAside.Contains(e.Entity))];
        toCompare = [.. model.Entities.Where(e => first.ToCompare.Contains(e.Entity))];
        Former = new FormerParents(model, session.Time);
        Former.Load(first.FormerParents, first.Horizon ?? first.Position);
    }

    /// <summary>Rows whose children are looked for a second time.</summary>
    public FormerParents Former { get; }

    /// <summary>Everything before it is written.</summary>
    public StreamPoint Applied => Locked(() => applied);

    public SyncState State => Locked(StateNow);

    /// <summary>True when nothing but rows that were read again a moment ago keeps it from being consistent.</summary>
    public bool IsCurrent => Locked(() => passedSnapshot && !hasPart && toCompare.Count + comparing.Count == 0);

    /// <summary>True when the stream has passed the end of the snapshot.</summary>
    public bool PassedSnapshot => Locked(() => passedSnapshot);

    /// <summary>Entities that are to be compared with the source as a whole: how they changed, neither stream nor table tells. Rows may be laid out otherwise up to where the schema was read.</summary>
    public ImmutableArray<EntityModel> ToCompare => Locked(() => passedSnapshot && toCompare.Count > 0 && applied.HasReached(boundAt) ? toCompare.ToImmutableArray() : []);

    /// <summary>What this run met that the stream does not tell, as far as it is shown.</summary>
    public ImmutableArray<UntoldChange> Untold => Locked(() => untold.ToImmutableArray());

    /// <summary>The last change because of which one of the entities is compared; null: it was asked for.</summary>
    public UntoldChange? CauseOf(IEnumerable<EntityModel> entities) => Locked(() => entities.Select(causes.GetValueOrDefault).FirstOrDefault(c => c is not null));

    /// <summary>True when the entities are to be compared as a whole behind a position, which the schema that they are read by has: what they were before it does not matter.</summary>
    public bool BeginsAnew(ImmutableArray<EntityModel> entities, SourcePosition at) =>
        Locked(() => entities.All(e => toCompare.Contains(e) || comparing.Contains(e)) && new StreamPoint(boundAt, boundAt).HasReached(at));

    /// <summary>Rows that this run set aside, as far as they are shown.</summary>
    public ImmutableArray<SetAsideRow> Refused => Locked(() => refused.ToImmutableArray());

    /// <summary>True when rows of the entity are in the source and not in the table.</summary>
    public bool HasSetAside(EntityModel entity) => Locked(() => setAside.Contains(entity));

    /// <summary>Some of the window may be in the table from here on.</summary>
    public void Begin(ChangeWindow window) => Locked(() =>
    {
        isWriting = true;
        hasPart = window.EndsWithin;
        isReadingAgain = window.HasSuspects;
    });

    /// <summary>All of the window is in the table.</summary>
    public void Written(ChangeWindow window) => Locked(() =>
    {
        SetAsideNow(window);
        (isReadingAgain, isWriting) = (false, false);
        applied = window.End ?? applied;
        Compare(window.Untold);
        if (horizon is not null && applied.HasReached(horizon))
        {
            (horizon, passedSnapshot) = (null, true);
        }

        meter.Count(window);
    });

    /// <summary>Rows were read that may be newer than the stream, up to a position.</summary>
    public void ReadAhead(SourcePosition position) => Locked(() => horizon = applied.HasReached(position) ? horizon : position);

    /// <summary>The server is another one, and <paramref name="position"/> is where it stands: what was to be reached on the old one is reached there.</summary>
    /// <param name="restart">Where the stream of the new one begins.</param>
    public void MoveTo(SourcePosition restart, SourcePosition position) => Locked(() =>
    {
        applied = new StreamPoint(restart, restart);
        (horizon, boundAt, hasPart, isWriting) = (position, position, false, false);
        Former.MoveTo(position);
    });

    /// <returns>True when one of them was not due already.</returns>
    public bool Compare(IEnumerable<EntityModel> entities) => Locked(() =>
    {
        var before = toCompare.Count;
        toCompare.UnionWith(entities.Where(model.IsMigrated));
        return toCompare.Count > before;
    });

    /// <summary>What is noted from here on is due once more.</summary>
    public void BeginComparing(IEnumerable<EntityModel> entities) => Locked(() =>
    {
        comparing.UnionWith(entities);
        toCompare.ExceptWith(entities);
    });

    /// <param name="areAll">False: more differed than can be kept, and all is compared again.</param>
    public void EndComparing(bool areAll) => Locked(() =>
    {
        toCompare.UnionWith(areAll ? [] : comparing);
        comparing.Clear();
    });

    /// <summary>False when the table may have more than the position says: rows that were read ahead, by the snapshot too, a part of a transaction, what a crash left.</summary>
    public bool IsExact => Locked(() => passedSnapshot && horizon is null && !hasPart && !isWriting);

    public void SetAside(ChangeWindow window) => Locked(() => SetAsideNow(window));

    /// <summary>Saves the place and what is noted for it, then lets the write go: broken off in it, the next run knows.</summary>
    public async Task SaveThenAsync(Func<Task> write, CancellationToken cancellationToken)
    {
        saved = null;
        await SaveAsync(isLast: false, cancellationToken);
        await write();
    }

    /// <summary>Saves the checkpoint, and takes into it what an operator asked to be compared.</summary>
    public async Task GoOnAsync(CancellationToken cancellationToken)
    {
        var restarts = await session.Control.ListRestartsAsync(first.RunId, cancellationToken);
        Compare(model.Entities.Where(e => restarts.Any(r => r.Entity == e.Entity)));
        Locked(() => asked += restarts.Length);
        await SaveAsync(isLast: false, cancellationToken);
        foreach (var restart in restarts)
        {
            await session.Control.EndRestartAsync(lease, first.RunId, restart, cancellationToken);
        }
    }

    public async Task SaveAsync(bool isLast, CancellationToken cancellationToken)
    {
        await saving.WaitAsync(cancellationToken);
        try
        {
            var (checkpoint, rows, point) = Locked(() => (Checkpoint(isLast), unsaved.ToImmutableArray(), (applied, StateNow(), asked)));
            if (saved == point && rows.IsEmpty && !isLast)
            {
                return;
            }

            await session.Control.SaveSyncAsync(lease, checkpoint, rows, cancellationToken);
            Locked(() =>
            {
                saved = point;
                unsaved.RemoveRange(0, rows.Length);
            });
        }
        finally
        {
            saving.Release();
        }
    }

    /// <summary>The checkpoint of a run's end: in full when it is completed, as far as a moment allows when it was broken off.</summary>
    public async Task SaveLastAsync(bool completed, CancellationToken cancellationToken)
    {
        if (completed && !cancellationToken.IsCancellationRequested)
        {
            await SaveAsync(isLast: Locked(() => !hasPart && !isWriting), cancellationToken);
            return;
        }

        using var moment = new CancellationTokenSource(LastCheckpointTimeout, session.Time);
        try
        {
            await SaveAsync(isLast: false, moment.Token);
        }
        catch (Exception e) when (e is MigrationException or OperationCanceledException)
        {
            // The reason of the stop is already on its way; these changes are read again.
        }
    }

    public void Dispose() => saving.Dispose();

    /// <summary>The one place that says it: every transaction up to the position is in the table as a whole, no part of another one is, and nothing is left to be read again.</summary>
    internal static SyncState Judge(bool passedSnapshot, bool isAhead, bool hasPart, bool isReadingAgain, bool hasFormerParents, bool hasToCompare) =>
        passedSnapshot && !isAhead && !hasPart && !isReadingAgain && !hasFormerParents && !hasToCompare ? SyncState.Consistent : SyncState.Converging;

    private SyncState StateNow() => Judge(passedSnapshot, horizon is not null, hasPart, isReadingAgain, Former.Any, toCompare.Count + comparing.Count > 0);

    private void Compare(List<UntoldChange> changes)
    {
        const int MostShown = 1_000;
        untold.AddRange(changes.Take(MostShown - untold.Count));
        foreach (var change in changes)
        {
            foreach (var entity in change.Models)
            {
                toCompare.Add(entity);
                causes[entity] = change;
            }
        }
    }

    private void SetAsideNow(ChangeWindow window)
    {
        const int MostShown = 1_000;
        unsaved.AddRange(window.SetAside);
        refused.AddRange(window.SetAside.Take(MostShown - refused.Count));
        setAside.UnionWith(window.SetAside.Select(row => model.Entities.FirstOrDefault(e => e.Entity == row.Entity)).OfType<EntityModel>());
    }

    private SyncCheckpoint Checkpoint(bool isLast)
    {
        var former = Former.Save();
        return first with
        {
            Position = applied.Restart,
            Seen = applied.Seen == applied.Restart ? null : applied.Seen,
            PassedSnapshot = passedSnapshot,
            State = StateNow(),
            Horizon = horizon,
            FormerParents = former ?? [],
            // Too many to be kept: whoever goes on without them compares.
            ToCompare = [.. toCompare.Concat(comparing).Concat(former is null ? Former.Below().Where(model.IsMigrated) : []).Select(e => e.Entity).Distinct()],
            IsLast = isLast,
            Transactions = first.Transactions + meter.Transactions,
            Rows = first.Rows + meter.Rows,
            CommittedAt = meter.CommittedAt ?? first.CommittedAt,
            SavedAt = session.Time.GetUtcNow(),
        };
    }

    private T Locked<T>(Func<T> read)
    {
        lock (guard)
        {
            return read();
        }
    }

    private void Locked(Action change)
    {
        lock (guard)
        {
            change();
        }
    }
}
