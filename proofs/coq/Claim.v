(* What `verified` says. Nothing else has to be read to know what is proved; Format.v says how
   networks, slices and certificates are printed, and the numbers are those of proofs/partition.md. *)
From Coq Require Import Reals ZArith List Bool Relations.
From Exactcam Require Import Format.
Import ListNotations.
Open Scope R_scope.

(* ========== 1. The plane *)
Module Geometry.
Record pt := P { px : R; py : R }.
(* twice the area of the triangle a b p: positive if it turns left *)
Definition orient (a b p : pt) : R := (px b - px a) * (py p - py a) - (py b - py a) * (px p - px a).

Definition set := pt -> Prop.
Definition box (p : pt) (e : R) : set := fun q => px p - e < px q < px p + e /\ py p - e < py q < py p + e.
Definition interior (A : set) : set := fun p => exists e, 0 < e /\ forall q, box p e q -> A q.
Definition closure (A : set) : set := fun p => forall e, 0 < e -> exists q, box p e q /\ A q.

(* A polygon is the list of its corners. Its edges run from each corner to the next, and back to the first. *)
Fixpoint consec {A} (a : A) (l : list A) : list (A * A) := match l with [] => [] | b :: t => (a, b) :: consec b t end.
Definition edges {A} (l : list A) : list (A * A) := match l with [] => [] | a :: t => consec a (t ++ [a]) end.
Definition inP (l : list pt) : set := fun p => forall e, In e (edges l) -> 0 <= orient (fst e) (snd e) p.
Definition inside (l : list pt) : set := fun p => forall e, In e (edges l) -> 0 < orient (fst e) (snd e) p.
(* strictly convex, counter-clockwise: any three corners in their order turn left *)
Fixpoint ccw (l : list pt) : Prop :=
  match l with [] => True | p :: t => ForallOrdPairs (fun a b => 0 < orient p a b) t /\ ccw t end.
Definition convex (l : list pt) : Prop := (3 <= length l)%nat /\ ccw l.

(* a u + b v + c, as (a, b, c) *)
Record form := F { fa : R; fb : R; fc : R }.
Definition ev (f : form) (p : pt) : R := fa f * px p + fb f * py p + fc f.
End Geometry.
Export Geometry.

(* ========== 2. Matrices: of each row the columns that are not left out, and what stands there *)
Open Scope Z_scope.
Definition range (n : Z) : list Z := map Z.of_nat (seq 0 (Z.to_nat n)).
Definition from (a n : Z) : list Z := map (Z.add a) (range n).
Definition at_ {A} (l : list (list A)) (i : Z) : list A := nth (Z.to_nat i) l [].
Definition product (l : list Z) : Z := fold_right Z.mul 1 l.
(* l, cut into runs of these lengths *)
Fixpoint runs {A} (lengths : list Z) (l : list A) : list (list A) :=
  match lengths with [] => [] | n :: t => firstn (Z.to_nat n) l :: runs t (skipn (Z.to_nat n) l) end.
Fixpoint differences (l : list Z) : list Z :=
  match l with a :: ((b :: _) as t) => b - a :: differences t | _ => [] end.

(* all positions in a box of these sides, in row-major order; the number of a position *)
Fixpoint grid (sides : list Z) : list (list Z) :=
  match sides with [] => [[]] | n :: t => flat_map (fun i => map (cons i) (grid t)) (range n) end.
Fixpoint index (sides position : list Z) : Z :=
  match sides, position with n :: s, i :: p => i * product s + index s p | _, _ => 0 end.

Section convolution.
Variables (transpose : bool) (entries : list Z) (groups : Z) (source target kernel stride padding dilation : list Z).
(* the input position that output position o reads at tap t: o * stride + t * dilation - padding or, of a
   transposed convolution, the i with i * stride + t * dilation - padding = o; none outside the input *)
Definition read (size stride padding dilation o t : Z) : option Z :=
  let x := if transpose then o + padding - t * dilation else o * stride + t * dilation - padding in
  let i := if transpose then x / stride else x in
  if (0 <=? i) && (i <? size) && (negb transpose || (x mod stride =? 0)) then Some i else None.
Fixpoint reads (size stride padding dilation o t : list Z) : option (list Z) :=
  match size, stride, padding, dilation, o, t with
  | n :: size, s :: stride, p :: padding, d :: dilation, o1 :: o, t1 :: t =>
      match read n s p d o1 t1, reads size stride padding dilation o t with Some i, Some l => Some (i :: l) | _, _ => None end
  | _, _, _, _, _, _ => Some []
  end.
Definition inner : Z := nth 1 kernel 0.                 (* channels a group on the side with kernel's second axis *)
Definition outer : Z := nth 0 kernel 0 / groups.        (* and on the other *)
Definition taps : list Z := skipn 2 kernel.
Definition blocks : list (list (list Z)) :=             (* kernel[a, b] is a list over the taps *)
  runs (repeat inner (Z.to_nat (nth 0 kernel 0))) (runs (repeat (product taps) (Z.to_nat (nth 0 kernel 0 * inner))) entries).
(* the input channels that an output channel reads, with their coefficients *)
Definition channels (channel : Z) : list (Z * list Z) :=
  if transpose
  then map (fun a => (a, at_ (at_ blocks a) (channel mod inner))) (from (channel / inner * outer) outer)
  else combine (from (channel / outer * inner) inner) (at_ blocks channel).
(* in the order of the columns: later taps of a transposed convolution read earlier positions *)
Definition convolution_row (read_channels : list (Z * list Z)) (o : list Z) : list (Z * Z) :=
  flat_map (fun '(c, block) => flat_map (fun '(t, a) =>
    match reads (tl source) stride padding dilation o t with Some i => [(index source (c :: i), a)] | None => [] end)
    (let taken := combine (grid taps) block in if transpose then rev taken else taken)) read_channels.
Definition convolution : list (list (Z * Z)) :=
  flat_map (fun channel => map (convolution_row (channels channel)) (grid (tl target))) (range (hd 0 target)).
End convolution.

Definition rows (m : matrix) : list (list (Z * Z)) :=
  match m with
  | Dense r c entries => map (combine (range c)) (runs (repeat c (Z.to_nat r)) entries)
  | Sparse r c indptr indices entries =>
      let lengths := differences indptr in map (fun '(c, a) => combine c a) (combine (runs lengths indices) (runs lengths entries))
  | Convolution transpose entries groups source target kernel stride padding dilation =>
      convolution transpose entries groups source target kernel stride padding dilation
  end.

(* ========== 3. Networks: every value is a list of real numbers (Definition 1) *)
Open Scope R_scope.
Definition real (q : rational) : R := IZR (above q) / IZR (Zpos (below q)).
Notation vec := (list R).
Definition entry (x : vec) (i : Z) : R := nth (Z.to_nat i) x 0.
Fixpoint plus (x y : vec) : vec := match x, y with a :: x', b :: y' => (a + b) :: plus x' y' | _, _ => [] end.
Definition dot (row : list (Z * Z)) (x : vec) : R := fold_right (fun '(c, a) sum => IZR a * entry x c + sum) 0 row.
Definition times (m : matrix) (x : vec) : vec := map (fun row => dot row x) (rows m).

(* piece j, x -> slope x + intercept, holds up to breakpoint j *)
Fixpoint applied (breakpoints : list rational) (pieces : list (rational * rational)) (x : R) : R :=
  match pieces with
  | [] => 0
  | (slope, intercept) :: pieces' =>
      match breakpoints with
      | [] => real slope * x + real intercept
      | t :: breakpoints' => if Rle_dec x (real t) then real slope * x + real intercept else applied breakpoints' pieces' x
      end
  end.
Definition units (functions : list piecewise) (which : list Z) (x : vec) : list (piecewise * R) :=
  combine (map (fun w => nth (Z.to_nat w) functions (Piecewise [] [])) which) x.
Definition members (group : list Z) (x : vec) : vec := map (entry x) group.
Fixpoint maximum (a : R) (l : list R) : R := match l with [] => a | b :: t => Rmax a (maximum b t) end.
Definition largest (l : list R) : R := match l with [] => 0 | a :: t => maximum a t end.

Definition value (values : list vec) (k : Z) : vec := nth (Z.to_nat k) values [].
Definition compute (n : node) (values : list vec) : vec :=
  match n with
  | Affine inputs matrices bias scale =>
      map (fun y => y / IZR scale)
          (fold_right (fun '(k, m) sum => plus (times m (value values k)) sum) (map IZR bias) (combine inputs matrices))
  | Pointwise input functions which =>
      map (fun '(f, x) => applied (breakpoints f) (pieces f) x) (units functions which (value values input))
  | Max input groups => map (fun g => largest (members g (value values input))) groups
  end.

(* A pattern (Definitions 5, 6): the sign of every breakpoint of every pointwise unit, and of every max group
   which members attain the maximum, as the signs of member minus maximum. *)
Definition from_breakpoints (n : node) (values : list vec) : list R :=
  match n with
  | Pointwise input functions which =>
      flat_map (fun '(f, x) => map (fun t => x - real t) (breakpoints f)) (units functions which (value values input))
  | _ => []
  end.
Definition from_maxima (n : node) (values : list vec) : list (list R) :=
  match n with
  | Max input groups => map (fun g => let l := members g (value values input) in map (fun x => x - largest l) l) groups
  | _ => []
  end.
Fixpoint all_from_breakpoints (ns : list node) (values : list vec) : list R :=
  match ns with [] => [] | n :: t => from_breakpoints n values ++ all_from_breakpoints t (values ++ [compute n values]) end.
Fixpoint all_from_maxima (ns : list node) (values : list vec) : list (list R) :=
  match ns with [] => [] | n :: t => from_maxima n values ++ all_from_maxima t (values ++ [compute n values]) end.
Definition sign (x : R) : Z := if Rlt_dec 0 x then 1%Z else if Rlt_dec x 0 then (-1)%Z else 0%Z.
Definition pattern (n : network) (x : vec) : list Z * list (list Z) :=
  (map sign (all_from_breakpoints (nodes n) [x]), map (map sign) (all_from_maxima (nodes n) [x])).

(* ========== 4. What network.md and certificate.md demand: sizes fit, functions are continuous, fractions in lowest terms *)
Open Scope Z_scope.
Fixpoint count {A} (l : list A) (n : Z) : Z := match l with [] => n | _ :: t => count t (n + 1) end.
Definition size {A} (l : list A) : Z := count l 0.
Definition below_ (n i : Z) : bool := (0 <=? i) && (i <? n).
Definition positive_ : list Z -> bool := forallb (Z.ltb 0).
Fixpoint increasing (l : list Z) : bool := match l with a :: ((b :: _) as t) => (a <? b) && increasing t | _ => true end.
Definition lowest (q : rational) : bool := Z.gcd (above q) (Zpos (below q)) =? 1.

Definition fits (height width : Z) (m : matrix) : bool :=
  match m with
  | Dense r c entries => (r =? height) && (c =? width) && (size entries =? r * c)
  | Sparse r c indptr indices entries =>
      (r =? height) && (c =? width) && (size indptr =? r + 1) && (hd 1 indptr =? 0) && forallb (Z.leb 0) (differences indptr)
      && (last indptr 0 =? size entries) && (size indices =? size entries) && forallb (below_ c) indices
  | Convolution transpose entries groups source target kernel stride padding dilation =>
      let '(wide, narrow) := if transpose then (target, source) else (source, target) in
      (0 <? size stride)
      && forallb (fun l => size l =? size stride) [tl source; tl target; skipn 2 kernel; padding; dilation]
      && forallb positive_ [source; target; kernel; stride; dilation; [groups]] && forallb (Z.leb 0) padding
      && (hd 0 wide mod groups =? 0) && (hd 0 narrow mod groups =? 0)
      && (hd 0 kernel =? hd 0 narrow) && (nth 1 kernel 0 =? hd 0 wide / groups)
      && (product target =? height) && (product source =? width) && (size entries =? product kernel)
  end && forallb (fun row => increasing (-1 :: map fst row)) (rows m).

Definition less (a b : rational) : bool := above a * Zpos (below b) <? above b * Zpos (below a).
Definition equal (a b : rational) : bool := above a * Zpos (below b) =? above b * Zpos (below a).
Definition line_at (piece : rational * rational) (t : rational) : rational :=
  let '(s, c) := piece in
  Rational (above s * above t * Zpos (below c) + above c * Zpos (below s) * Zpos (below t)) (below s * below t * below c).
(* breakpoints increase; pieces differ from one to the next, and meet at the breakpoint between them *)
Fixpoint continuous (ts : list rational) (ps : list (rational * rational)) : bool :=
  match ts, ps with
  | [], [_] => true
  | t :: ts', p :: ((q :: _) as ps') =>
      equal (line_at p t) (line_at q t) && negb (equal (fst p) (fst q))
      && match ts' with [] => true | t' :: _ => less t t' end && continuous ts' ps'
  | _, _ => false
  end.
Definition pair_lowest (p : rational * rational) : bool := lowest (fst p) && lowest (snd p).
Definition is_function (f : piecewise) : bool :=
  forallb lowest (breakpoints f) && forallb pair_lowest (pieces f) && continuous (breakpoints f) (pieces f).

Definition node_size (n : node) : Z :=
  match n with Affine _ _ bias _ => size bias | Pointwise _ _ which => size which | Max _ groups => size groups end.
Definition node_fits (sizes : list Z) (n : node) : bool :=
  let size_of k := nth (Z.to_nat k) sizes 0 in
  match n with
  | Affine inputs matrices bias scale =>
      (0 <? size inputs) && (size inputs =? size matrices) && forallb (below_ (size sizes)) inputs
      && forallb (fun '(k, m) => fits (size bias) (size_of k) m) (combine inputs matrices) && (0 <? scale)
  | Pointwise input functions which =>
      below_ (size sizes) input && forallb is_function functions && forallb (below_ (size functions)) which && (size which =? size_of input)
  | Max input groups =>
      below_ (size sizes) input && forallb (fun g => (0 <? size g) && forallb (below_ (size_of input)) g) groups
  end && (0 <? node_size n).
Fixpoint nodes_fit (ns : list node) (sizes : list Z) : bool :=
  match ns with [] => true | n :: t => node_fits sizes n && nodes_fit t (sizes ++ [node_size n]) end.
Definition well_formed (n : network) (s : slice) : bool :=
  (inputs n =? size (origin s)) && (inputs n =? size (e1 s)) && (inputs n =? size (e2 s))
  && forallb lowest (origin s) && forallb lowest (e1 s) && forallb lowest (e2 s) && forallb pair_lowest (window s)
  && nodes_fit (nodes n) [inputs n] && below_ (size (nodes n) + 1) (output n) && forallb is_text (names n) && forallb is_text (notes n).
Open Scope R_scope.

(* ========== 5. The slice (Definition 2): the input at a point (u, v) is origin + u e1 + v e2 *)
Fixpoint combination (o a b : list rational) (p : pt) : vec :=
  match o, a, b with
  | o1 :: o', a1 :: a', b1 :: b' => real o1 + px p * real a1 + py p * real b1 :: combination o' a' b' p
  | _, _, _ => []
  end.
Definition input (s : slice) (p : pt) : vec := combination (origin s) (e1 s) (e2 s) p.
Definition corners (s : slice) : list pt := map (fun c => P (real (fst c)) (real (snd c))) (window s).
(* S_q: the points of the window with pattern q. Its region (Definition 7) is the closure of its interior. *)
Definition having (n : network) (s : slice) (q : list Z * list (list Z)) : set :=
  fun p => inP (corners s) p /\ pattern n (input s p) = q.

(* ========== 6. What outputs do: affine pieces, linear regions, ties *)
Definition between (t : R) (a b : pt) : pt := P (px a + t * (px b - px a)) (py a + t * (py b - py a)).
Fixpoint all_values (ns : list node) (values : list vec) : list vec :=
  match ns with [] => values | n :: t => all_values t (values ++ [compute n values]) end.
Section outputs.
Variables (n : network) (s : slice).
Notation pattern_ := (list Z * list (list Z))%type.
Definition outputs (p : pt) : vec := value (all_values (nodes n) [input s p]) (output n).
(* the patterns that have a region (Definition 7), and their regions *)
Definition active (q : pattern_) : Prop := exists p, interior (having n s q) p.
Definition region (q : pattern_) : set := closure (interior (having n s q)).
(* the output map of a region (Definition 8): one form for each output *)
Definition is_map (q : pattern_) (fs : list form) : Prop := forall p, region q p -> outputs p = map (fun f => ev f p) fs.
(* regions of a linear region (Definition 9): they share a segment, and their output maps are equal; or a chain of such leads
   from the one to the other *)
Definition adjacent (q r : pattern_) : Prop :=
  exists a b, a <> b /\ forall t, 0 <= t <= 1 -> region q (between t a b) /\ region r (between t a b).
Definition linked (q r : pattern_) : Prop := active q /\ active r /\ adjacent q r /\ exists fs, is_map q fs /\ is_map r fs.
Definition connected : pattern_ -> pattern_ -> Prop := clos_refl_sym_trans pattern_ linked.
(* output k is largest; if there is one output only, the constant zero is its rival (Definition 10) *)
Definition contest (x : vec) : vec := match x with [y] => [y; 0] | _ => x end.
Definition wins (p : pt) (k : nat) : Prop :=
  (k < length (contest (outputs p)))%nat /\
  forall j, (j < length (contest (outputs p)))%nat -> nth j (contest (outputs p)) 0 <= nth k (contest (outputs p)) 0.
Definition tie (p : pt) : Prop := exists j k, j <> k /\ wins p j /\ wins p k.
End outputs.

(* ========== 7. What a certificate lists: vertices, pieces of no region, and regions, each a list of pieces *)
Definition put (l : line) (found : list homogeneous * list (list Z) * list (list (list Z))) :=
  let '(vertices, loose, regions) := found in
  match l with
  | Vertex h => (h :: vertices, loose, regions)
  | Piece false ids => (vertices, ids :: loose, regions)
  | Piece true ids => (vertices, [], (ids :: loose) :: regions)
  end.
Definition sorted_out (c : certificate) := fold_right put ([], [], []) (lines c).
Definition vertices (c : certificate) : list homogeneous := fst (fst (sorted_out c)).
Definition loose (c : certificate) : list (list Z) := snd (fst (sorted_out c)).
Definition point (h : homogeneous) : pt := let '(x, y, w) := h in P (IZR x / IZR w) (IZR y / IZR w).
Definition corner (c : certificate) (i : Z) : pt := point (nth (Z.to_nat i) (vertices c) (0, 0, 1)%Z).
Definition regions (c : certificate) : list (list (list pt)) := map (map (map (corner c))) (snd (sorted_out c)).
(* a tie's face is a vertex, the segment between two, or a polygon; and its relative interior *)
Definition face (c : certificate) (ids : list Z) : set :=
  match map (corner c) ids with
  | [] => fun _ => False
  | [a] => fun p => p = a
  | [a; b] => fun p => exists t, 0 <= t <= 1 /\ p = between t a b
  | l => inP l
  end.
Definition within (c : certificate) (ids : list Z) : set :=
  match map (corner c) ids with
  | [] => fun _ => False
  | [a] => fun p => p = a
  | [a; b] => fun p => exists t, 0 < t < 1 /\ p = between t a b
  | l => inside l
  end.
Definition dimension (ids : list Z) : nat := Nat.min (length ids) 3.
Definition ties_of (k : nat) (c : certificate) : list (list Z * list Z) := filter (fun t => Nat.eqb (dimension (fst t)) k) (ties c).

(* ========== 8. The claim *)
Record claim (n : network) (s : slice) (c : certificate) : Prop := {
  network_and_slice_fit : well_formed n s = true;
  slice_is_injective : forall p q, input s p = input s q -> p = q;
  window_is_convex : convex (corners s);
  pieces_are_convex : forall l, In l (concat (regions c)) -> convex l;
  pieces_have_disjoint_interiors : forall i j k l p,
    nth_error (concat (regions c)) i = Some k -> nth_error (concat (regions c)) j = Some l -> i <> j ->
    inside k p -> inside l p -> False;
  pieces_cover_the_window : forall p, inP (corners s) p <-> exists l, In l (concat (regions c)) /\ inP l p;
  (* exactly the patterns whose points in the window have an interior, each once; and the k-th region is the k-th of theirs *)
  regions_are_the_activation_regions : exists qs,
    NoDup qs /\ (forall q, In q qs <-> active n s q) /\
    Forall2 (fun q pieces => forall p, (exists l, In l pieces /\ inP l p) <-> region n s q p) qs (regions c);
  no_piece_is_loose : loose c = [];
  vertices_are_different : NoDup (map point (vertices c));
  (* a point of two pieces is a corner of both, or strictly inside an edge of the one that is, reversed, an edge of the other *)
  pieces_fit_edge_to_edge : forall i j k l p,
    nth_error (concat (regions c)) i = Some k -> nth_error (concat (regions c)) j = Some l -> i <> j -> inP k p -> inP l p ->
    In p k /\ In p l \/ exists a b t, In (a, b) (edges k) /\ In (b, a) (edges l) /\ 0 < t < 1 /\ p = between t a b;
  (* counted are the regions; the linear regions, of each of which one region is listed here; the different output maps *)
  regions_are_counted : nth 0 (counts c) 0%Z = Z.of_nat (length (regions c));
  linear_regions_are_counted : exists qs,
    NoDup qs /\ nth 1 (counts c) 0%Z = Z.of_nat (length qs) /\ (forall q, In q qs -> active n s q) /\
    forall q, active n s q -> exists r, In r qs /\ connected n s q r /\ forall r', In r' qs -> connected n s q r' -> r' = r;
  affine_pieces_are_counted : exists maps,
    NoDup maps /\ nth 2 (counts c) 0%Z = Z.of_nat (length maps) /\ (forall q, active n s q -> exists fs, In fs maps /\ is_map n s q fs) /\
    forall fs, In fs maps <-> exists q, active n s q /\ is_map n s q fs;
  (* the decision boundary, as segments, plateaus and isolated points, and which outputs tie on each *)
  the_boundary_is_listed : forall p, inP (corners s) p /\ tie n s p <-> exists t, In t (ties c) /\ face c (fst t) p;
  tying_outputs_are_listed : forall t, In t (ties c) ->
    NoDup (snd t) /\ forall k, In k (snd t) <-> (0 <= k)%Z /\ forall p, face c (fst t) p -> wins n s p (Z.to_nat k);
  none_covers_another : forall t t', In t (ties c) -> In t' (ties c) -> fst t <> fst t' -> exists p, face c (fst t) p /\ ~ face c (fst t') p;
  none_overlaps_another : forall t t' p, In t (ties c) -> In t' (ties c) -> fst t <> fst t' -> within c (fst t) p ->
    ~ within c (fst t') p /\ ((dimension (fst t) < dimension (fst t'))%nat -> ~ face c (fst t') p);
  none_is_listed_twice : NoDup (map fst (ties c));
  ties_are_counted : skipn 3 (counts c) = map (fun k => Z.of_nat (length (ties_of k c))) [2; 3; 1]%nat;
  notes_are_told : told c = notes n }.

(* ========== 9. The theorem: whoever read the files and whatever was read, files that are verified hold a network,
   a slice and a certificate for which the claim is true. Extract.v proves it of the program. *)
Inductive verdict := Verified | Rejected | Malformed.
Definition sound {Hints : Type} (judge : network -> slice -> certificate -> Hints -> file -> file -> file -> verdict) : Prop :=
  forall n s c hints network_file slice_file certificate_file,
  judge n s c hints network_file slice_file certificate_file = Verified ->
  holds network_file (print_network true n) /\ holds slice_file (print_slice s) /\
  holds certificate_file (print_certificate c) /\ claim n s c.
