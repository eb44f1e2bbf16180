namespace NativeFfn.Checkpoints.Quantised;

/// <summary>Reads the group of each column, where columns were quantised in another order than they are stored.</summary>
internal static class GroupIndex
{
    /// <summary>The groups by column, or null where they are neighbouring columns anyway.</summary>
    /// <param name="piece">The index, I32 <c>[columns]</c>.</param>
    /// <param name="columns">Columns of the matrix.</param>
    /// <param name="groups">Groups of a row.</param>
    /// <param name="groupColumns">Columns of a group in the usual order.</param>
    public static int[]? Read(TensorPiece? piece, int columns, int groups, int groupColumns)
    {
        if (piece is null)
        {
            return null;
        }

        int[] index = piece.OfType("I32").OfShape(columns).ReadAll<int>();
        bool isUsual = true;
        bool isUnset = true;
        for (int i = 0; i < index.Length; i++)
        {
            isUsual &= index[i] == i / groupColumns;
            isUnset &= index[i] == -1;
        }

        // A writer that has no index may leave the room for one at -1.
        if (isUsual || isUnset)
        {
            return null;
        }

        int wrong = Array.FindIndex(index, group => group < 0 || group >= groups);
        return wrong < 0
            ? index
            : throw piece.Wrong($"places column {wrong} in group {index[wrong]}; there are {groups}");
    }
}
