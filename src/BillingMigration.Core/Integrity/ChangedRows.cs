using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Integrity;

/// <summary>Collects the keys that changes touch, each once.</summary>
internal sealed class ChangedRows(IntegrityContext context, long most) : IDisposable
{
    private readonly Dictionary<string, Suspect> suspects = new(StringComparer.Ordinal);
    private readonly ItemEncoder[] encoders = [.. context.Models.Select(m => new ItemEncoder(m))];
    private readonly ItemBatch batch = new();

    public IReadOnlyCollection<Suspect> Suspects => suspects.Values;

    public long Rows => suspects.Count;

    public long RowsOf(int entity) => suspects.Values.LongCount(s => s.Entity == entity);

    /// <exception cref="MigrationException"><c>TooManyChanges</c>.</exception>
    public bool Add(EntityModel model, RowBuffer? before, RowBuffer? after)
    {
        var entity = context.Models.IndexOf(model);
        if (context.Chosen.Contains(entity))
        {
            Add(entity, before);
            Add(entity, after);
        }

        return true;
    }

    public void Dispose() => batch.Dispose();

    private void Add(int entity, RowBuffer? row)
    {
        batch.Clear();
        if (row is null || !encoders[entity].TryEncodeDelete(row, batch, out _))
        {
            return;
        }

        var key = batch.Item(0).ToArray();
        if (!suspects.TryAdd(Encoding.UTF8.GetString(key), new Suspect(entity, key, RowIdentity.Of(context.Models[entity], row), DifferenceKind.Different)))
        {
            return;
        }

        if (suspects.Count > most)
        {
            throw IntegrityErrors.TooManyChanges(most);
        }
    }
}
