using System.IO.Hashing;
using System.Runtime.CompilerServices;
using System.Text;

namespace BillingMigration.Model;

/// <summary>An attribute of a model, ready to be written.</summary>
/// <param name="Prefix">Text between the value before, closed, and this one.</param>
/// <param name="FirstPrefix">The same at the item's beginning.</param>
/// <param name="Encrypted">Number of the model's attribute when it is an encrypted one; else -1.</param>
internal sealed record ItemSlot(byte[] Name, byte[] JsonName, byte Type, byte[] Prefix, byte[] FirstPrefix, int Encrypted);

/// <summary>The attributes of an entity in model order, found by name.</summary>
internal sealed class ItemShape
{
    private readonly int[] table;
    private readonly int[] lastSlots;

    public ItemShape(EntityModel model)
    {
        Name = Encoding.UTF8.GetBytes(model.Entity);
        var names = model.Keys.Take(1).SelectMany(KeyNames).Append((Name: EntityModel.EntityAttribute, Type: "S"))
            .Concat(model.Keys.Skip(1).SelectMany(KeyNames))
            .Concat(model.Attributes.Select(a => (a.Name, Type: a.Type.ToString())));
        var encrypted = Enumerable.Range(0, model.Attributes.Length).Where(i => model.Attributes[i].Encrypted).ToDictionary(i => model.Attributes[i].Name, i => i);
        Slots = [.. names.DistinctBy(n => n.Name).Select(n => MakeSlot(n.Name, n.Type, encrypted.GetValueOrDefault(n.Name, -1)))];
        Encryption = model.Cipher is null ? null : CellEncryption.Of(model);
        lastSlots = new int[Slots.Length];
        Array.Fill(lastSlots, -1);
        table = new int[System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Slots.Length * 4)];
        for (var i = 0; i < Slots.Length; i++)
        {
            var at = Place(Slots[i].Name);
            while (table[at] != 0)
            {
                at = (at + 1) & (table.Length - 1);
            }

            table[at] = i + 1;
        }
    }

    public byte[] Name { get; }

    /// <summary>The first two are the table's key.</summary>
    public ItemSlot[] Slots { get; }

    /// <summary>Null: nothing is encrypted, or encrypted values are taken as they are.</summary>
    public CellEncryption? Encryption { get; }

    /// <summary>Items of an entity come with their attributes in the same order, mostly.</summary>
    [MethodImpl(HotPath.Optimized)]
    public int FindAt(int place, ReadOnlySpan<byte> name)
    {
        if (place >= lastSlots.Length)
        {
            return Find(name);
        }

        var last = lastSlots[place];
        return last >= 0 && name.SequenceEqual(Slots[last].Name) ? last : lastSlots[place] = Find(name);
    }

    [MethodImpl(HotPath.Optimized)]
    private int Find(ReadOnlySpan<byte> name)
    {
        for (var at = Place(name); table[at] != 0; at = (at + 1) & (table.Length - 1))
        {
            if (name.SequenceEqual(Slots[table[at] - 1].Name))
            {
                return table[at] - 1;
            }
        }

        return -1;
    }

    private static IEnumerable<(string Name, string Type)> KeyNames(KeyModel key) => [(key.PartitionKeyAttribute, "S"), (key.SortKeyAttribute, "S")];

    private static ItemSlot MakeSlot(string name, string type, int encrypted)
    {
        using var buffer = new ItemBatch();
        CanonicalJson.WriteEscaped(Encoding.UTF8.GetBytes(name), buffer);
        var json = buffer.PendingBytes.ToArray();
        byte[] Prefix(string before) => [.. Encoding.ASCII.GetBytes(before), .. json, .. Encoding.ASCII.GetBytes($"\":{{\"{type}\":\"")];
        return new ItemSlot(Encoding.UTF8.GetBytes(name), json, (byte)type[0], Prefix(",\""), Prefix("{\""), encrypted);
    }

    private int Place(ReadOnlySpan<byte> name) => (int)XxHash3.HashToUInt64(name) & (table.Length - 1);
}
